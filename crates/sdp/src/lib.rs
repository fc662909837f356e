//! SDP (RFC 8866) and offer/answer (RFC 3264) for audio over plain RTP.
//!
//! [`Session::parse`] reads what a far end sent, [`answer`] and [`offer`] make what we send, and
//! [`accept_answer`] concludes an offer of ours. Pure: bytes in, values out, no panic on any input.

#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod codec;
mod error;
mod negotiate;
mod parse;
mod print;
mod session;
pub mod webrtc;

pub use codec::AudioCodec;
pub use error::Error;
pub use negotiate::{Local, Negotiated, accept_answer, answer, offer};
pub use session::{Direction, Format, Media, Session};
