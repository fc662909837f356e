//! The reports of the stack, put right: it has not seen the packets that went past it.

use str0m::net::DatagramSend;
use trunkline_rtp::{
    rtcp::{Received, Sent, correct},
    srtp::{MAX_OVERHEAD, RtcpTransform},
};

/// A protected report of ours with what `sent` and `received` know by SSRC; unchanged when it cannot
/// be read. Its index stays, and what the stack has made never leaves: no keystream is seen twice.
pub(crate) fn put_right(
    transform: &RtcpTransform,
    report: DatagramSend,
    sent: impl FnMut(u32) -> Option<Sent>,
    received: impl FnMut(u32) -> Option<Received>,
) -> DatagramSend {
    let mut buffer = report.to_vec();
    let Ok((_, index)) = transform.claims(&buffer) else { return report };
    let Ok(length) = transform.unprotect(&mut buffer) else { return report };
    buffer.truncate(length);
    correct(&mut buffer, sent, received);
    buffer.resize(length + MAX_OVERHEAD, 0);
    let Ok(length) = transform.protect(&mut buffer, length, index) else { return report };
    buffer.truncate(length);
    DatagramSend::from(buffer)
}
