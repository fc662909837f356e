//! SDP (RFC 8866) and offer/answer (RFC 3264) for audio over RTP, and over SRTP with the keys in the
//! description (RFC 4568).
//!
//! [`Session::parse`] reads what a far end sent, [`answer_with`] and [`offer_with`] make what we
//! send, and [`accept_answer_with`] concludes an offer of ours; without `_with`, nothing is
//! encrypted. Pure: bytes in, values out, no panic on any input.

#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod codec;
mod crypto;
mod error;
mod negotiate;
mod opus;
mod parse;
mod print;
mod security;
mod session;
#[cfg(test)]
mod tests;
pub mod webrtc;

pub use codec::AudioCodec;
pub use crypto::CryptoLine;
pub use error::Error;
pub use negotiate::{Local, Negotiated, accept_answer, accept_answer_with, answer, answer_with, offer, offer_with};
pub use opus::OpusParameters;
pub use security::{Crypto, Encryption, KEY_MATERIAL_BYTES, KeyMaterial, Security};
pub use session::{Direction, Format, Host, Media, Session};
