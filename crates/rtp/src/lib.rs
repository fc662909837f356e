//! RTP (RFC 3550), SRTP (RFC 3711), RTCP reports, telephone events (RFC 4733), the jitter buffer
//! and the source lock. Pure: bytes and time in, values out, no panic on any input.

#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod control_lock;
mod dtmf;
mod dtmf_sender;
pub mod extension;
mod jitter;
mod packet;
mod reception;
mod round_trip;
pub mod rtcp;
mod source_lock;
pub mod srtp;

pub use control_lock::{ControlLock, ReportSource};
pub use dtmf::{DtmfReceiver, digit_of};
pub use dtmf_sender::{DtmfPacket, DtmfSender, DtmfTick};
pub use jitter::{Frame, JitterBuffer, JitterConfig, JitterStats};
pub use packet::{HEADER_BYTES, Packet, write_header};
pub use reception::Reception;
pub use round_trip::RoundTrip;
pub use source_lock::{Judgement, SourceLock};
