//! RTCP reports and goodbyes (RFC 3550 §6), written, read and corrected.

mod correct;
mod read;
mod write;

pub use correct::{Received, Sent, correct};
pub use read::{Block, Blocks, Packet, Packets, SenderInfo, is_rtcp, packets, sender};
pub use write::{BYE_BYTES, Feedback, REPORT_BYTES, Report, write, write_bye, write_with};
