//! RTCP reports and goodbyes (RFC 3550 §6), written and read.

mod read;
mod write;

pub use read::{Block, Blocks, Packet, Packets, SenderInfo, is_rtcp, packets, sender};
pub use write::{BYE_BYTES, Feedback, REPORT_BYTES, Report, write, write_bye, write_with};
