//! A headless WebRTC participant that joins over the real wire: `/rtc/v1`, ICE, DTLS, SRTP, data
//! channels. Many fit into one process, so that load can be made on any machine.

mod client;
mod signal;
mod speech;

pub use client::{Join, Participant, Stats, join};
pub use signal::Error;
pub use speech::Speech;
