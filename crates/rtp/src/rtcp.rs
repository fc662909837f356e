//! RTCP sender and receiver reports (RFC 3550 §6.4) with the CNAME they must carry.

use crate::packet::u32_at;
use trunkline_types::Time;

/// Whether these bytes are RTCP (RFC 5761 §4).
pub fn is_rtcp(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|b| b >> 6 == 2) && bytes.get(1).is_some_and(|pt| (192..=223).contains(pt))
}

/// What a report of ours says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Our SSRC.
    pub ssrc: u32,
    /// The RTP timestamp of now.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload bytes sent.
    pub bytes: u32,
    /// The far end's SSRC.
    pub source: u32,
    /// Packets lost.
    pub lost: u32,
    /// Highest sequence number, extended.
    pub highest: u32,
    /// Jitter in units of the RTP clock.
    pub jitter: u32,
}

/// A compound packet: sender report with one block, and the CNAME.
pub fn write(report: &Report, now: Time) -> [u8; 72] {
    let mut bytes = [0; 72];
    let seconds = u32::try_from(now.unix_seconds().saturating_add(2_208_988_800) & 0xffff_ffff).unwrap_or(0);
    let nanos = u64::try_from(now.unix_nanos().rem_euclid(1_000_000_000)).unwrap_or(0);
    let fraction = u32::try_from((nanos << 32) / 1_000_000_000).unwrap_or(0);
    let words = [
        0x81c8_000c,
        report.ssrc,
        seconds,
        fraction,
        report.timestamp,
        report.packets,
        report.bytes,
        report.source,
        report.lost.min(0x7f_ffff),
        report.highest,
        report.jitter,
        0,
        0,
        // SDES with the CNAME "trunkline".
        0x81ca_0004,
        report.ssrc,
        u32::from_be_bytes([1, 9, b't', b'r']),
        u32::from_be_bytes(*b"unkl"),
        u32::from_be_bytes([b'i', b'n', b'e', 0]),
    ];
    for (slot, word) in bytes.chunks_exact_mut(4).zip(words) {
        slot.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

/// The SSRC that speaks in a compound packet.
pub fn sender(bytes: &[u8]) -> Option<u32> {
    is_rtcp(bytes).then(|| u32_at(bytes, 4)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lengths_of_a_report_add_up() {
        let bytes = write(&Report { ssrc: 9, ..Report::default() }, Time::new(0, 1_700_000_000_000_000_000));
        let first = usize::from(u16::from_be_bytes([bytes[2], bytes[3]])) * 4 + 4;
        let second = usize::from(u16::from_be_bytes([bytes[first + 2], bytes[first + 3]])) * 4 + 4;
        assert_eq!(first + second, bytes.len());
        assert!(is_rtcp(&bytes) && sender(&bytes) == Some(9));
    }
}
