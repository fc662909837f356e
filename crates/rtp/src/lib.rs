//! RTP (RFC 3550), RTCP reports, telephone events (RFC 4733) and the source lock. Pure: bytes and
//! time in, values out, no panic on any input.

#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod dtmf;
mod packet;
mod reception;
pub mod rtcp;
mod source_lock;

pub use dtmf::{DtmfReceiver, digit_of};
pub use packet::{HEADER_BYTES, Packet, write_header};
pub use reception::Reception;
pub use source_lock::{Judgement, SourceLock};
