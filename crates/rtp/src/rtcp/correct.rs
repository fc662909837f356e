//! Putting right reports that were written by who has not seen all of the packets they are about.

use super::read::is_rtcp;
use crate::packet::u32_at;

/// What a sender report says of a stream besides the time (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The RTP timestamp of the moment of the report.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload bytes sent.
    pub bytes: u32,
}

/// What a report block says of a source besides LSR and DLSR (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Share lost since the report before, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost since the beginning; the field holds 24 bits.
    pub lost: u32,
    /// Highest sequence number, extended.
    pub highest: u32,
    /// Jitter in units of the RTP clock.
    pub jitter: u32,
}

/// Replaces, in a compound packet, what its reports say of the streams that `sent` and `received`
/// know by their SSRCs. The rest stays, and so does what cannot be read.
pub fn correct(
    compound: &mut [u8],
    mut sent: impl FnMut(u32) -> Option<Sent>,
    mut received: impl FnMut(u32) -> Option<Received>,
) {
    let mut rest = compound;
    while is_rtcp(rest) {
        let [first, packet_type, l0, l1, ..] = *rest else { return };
        let length = (usize::from(u16::from_be_bytes([l0, l1])) + 1) * 4;
        let Some((packet, after)) = rest.split_at_mut_checked(length) else { return };
        rest = after;
        let blocks_at = match packet_type {
            200 => {
                if let Some(sent) = u32_at(packet, 4).and_then(&mut sent) {
                    put(packet, 16, &[sent.timestamp, sent.packets, sent.bytes]);
                }
                28
            }
            201 => 8,
            _ => continue,
        };
        for block in packet.get_mut(blocks_at..).unwrap_or_default().chunks_exact_mut(24).take((first & 0x1f).into()) {
            if let Some(received) = u32_at(block, 0).and_then(&mut received) {
                let losses = u32::from(received.fraction_lost) << 24 | received.lost.min(0x7f_ffff);
                put(block, 4, &[losses, received.highest, received.jitter]);
            }
        }
    }
}

fn put(bytes: &mut [u8], at: usize, words: &[u32]) {
    for (slot, word) in bytes.get_mut(at..).unwrap_or_default().chunks_exact_mut(4).zip(words) {
        slot.copy_from_slice(&word.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::{super::*, *};
    use trunkline_types::{Random, Time};

    const SENT: Sent = Sent { timestamp: 77, packets: 1_000, bytes: 60_000 };
    const RECEIVED: Received = Received { fraction_lost: 12, lost: 5, highest: 70_000, jitter: 9 };

    #[test]
    fn what_is_known_is_replaced_and_the_rest_stays() {
        let now = Time::new(0, 1_700_000_000_500_000_000);
        let report = Report { ssrc: 9, packets: 1, source: 7, ..Report::default() };
        let feedback = Feedback { fraction_lost: 0, last_report: 0x1234_5678, delay: 0x1_0000 };
        let mut bytes = write_with(&report, feedback, now);
        let before = bytes;
        correct(&mut bytes, |_| None, |_| None);
        assert_eq!(bytes, before);
        correct(&mut bytes, |ssrc| (ssrc == 9).then_some(SENT), |ssrc| (ssrc == 7).then_some(RECEIVED));
        let report = Report {
            ssrc: 9,
            timestamp: 77,
            packets: 1_000,
            bytes: 60_000,
            source: 7,
            lost: 5,
            highest: 70_000,
            jitter: 9,
        };
        assert_eq!(bytes, write_with(&report, Feedback { fraction_lost: 12, ..feedback }, now));
    }

    #[test]
    fn lengths_that_lie_change_nothing_beyond_them() {
        let mut random = Random::from_number(4);
        for _ in 0..20_000 {
            let mut bytes: Vec<u8> = (0..random.below(120)).map(|_| random.u64() as u8).collect();
            if let [first, second, third, ..] = bytes.as_mut_slice() {
                *first = *first & 0x3f | 0x80;
                *second = 200 + (*second & 1);
                *third = 0;
            }
            let length = bytes.len();
            correct(&mut bytes, |_| Some(SENT), |_| Some(RECEIVED));
            assert_eq!(bytes.len(), length);
        }
    }
}
