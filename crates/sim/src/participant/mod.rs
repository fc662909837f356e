//! A headless WebRTC participant that joins over the real wire: `/rtc/v1`, ICE, DTLS, SRTP, data
//! channels. Many fit into one process, so that load can be made on any machine.

mod client;
mod ear;
mod join;
mod joining;
mod signal;
mod socket;
mod speech;

pub use ear::{Ear, Tape};
pub use join::{Join, Rush, Stats};
pub use joining::{Participant, join};
pub use signal::Error;
pub use speech::{Speech, Voice};
