//! Reading compound packets; lengths that lie end the reading.

use crate::packet::u32_at;

/// Whether these bytes are RTCP (RFC 5761 §4).
pub fn is_rtcp(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|b| b >> 6 == 2) && bytes.get(1).is_some_and(|pt| (192..=223).contains(pt))
}

/// The SSRC that speaks in a compound packet.
pub fn sender(bytes: &[u8]) -> Option<u32> {
    is_rtcp(bytes).then(|| u32_at(bytes, 4)).flatten()
}

/// What a sender says of itself (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// Its wall clock: seconds since 1900 and their fraction, 32 bits each.
    pub ntp: u64,
    /// The RTP timestamp of that moment.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload bytes sent.
    pub bytes: u32,
}

/// What somebody has received of a source (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The source it speaks of.
    pub source: u32,
    /// Share lost since the report before, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost since the beginning; negative when more came than were sent.
    pub lost: i32,
    /// Highest sequence number, extended.
    pub highest: u32,
    /// Jitter in units of the RTP clock.
    pub jitter: u32,
    /// LSR: the middle of the NTP time of the last sender report that came; 0 for none.
    pub last_report: u32,
    /// DLSR: how long ago that was, in units of 1/65536 s.
    pub delay: u32,
}

/// The report blocks of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks<'a>(&'a [u8]);

impl Iterator for Blocks<'_> {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        let (block, rest) = self.0.split_at_checked(24)?;
        self.0 = rest;
        let [fraction_lost, l0, l1, l2] = u32_at(block, 4)?.to_be_bytes();
        Some(Block {
            source: u32_at(block, 0)?,
            fraction_lost,
            lost: i32::from_be_bytes([l0, l1, l2, 0]) >> 8,
            highest: u32_at(block, 8)?,
            jitter: u32_at(block, 12)?,
            last_report: u32_at(block, 16)?,
            delay: u32_at(block, 20)?,
        })
    }
}

/// One packet of a compound packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// SR.
    SenderReport {
        /// Who speaks.
        ssrc: u32,
        /// What it has sent.
        info: SenderInfo,
        /// What it has received.
        blocks: Blocks<'a>,
    },
    /// RR.
    ReceiverReport {
        /// Who speaks.
        ssrc: u32,
        /// What it has received.
        blocks: Blocks<'a>,
    },
    /// BYE of at least one source.
    Bye {
        /// The first source that leaves.
        ssrc: u32,
    },
    /// SDES, APP, feedback and what is not known.
    Other {
        /// The packet type, 192–223.
        packet_type: u8,
    },
}

/// The packets of a compound packet, up to the first that cannot be read.
#[derive(Clone, Copy, Debug)]
pub struct Packets<'a>(&'a [u8]);

/// Reads a compound packet; nothing when the bytes are no RTCP.
pub fn packets(bytes: &[u8]) -> Packets<'_> {
    Packets(if is_rtcp(bytes) { bytes } else { &[] })
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        let [first, packet_type, l0, l1, ..] = self.0 else { return None };
        let length = usize::from(u16::from_be_bytes([*l0, *l1])).checked_add(1)?.checked_mul(4)?;
        let Some((packet, rest)) = self.0.split_at_checked(length).filter(|_| is_rtcp(self.0)) else {
            self.0 = &[];
            return None;
        };
        let read = read(packet, first & 0x1f, *packet_type);
        self.0 = if read.is_some() { rest } else { &[] };
        read
    }
}

fn read(packet: &[u8], count: u8, packet_type: u8) -> Option<Packet<'_>> {
    let blocks = |at: usize| {
        let end = at.checked_add(usize::from(count).checked_mul(24)?)?;
        packet.get(at..end).map(Blocks)
    };
    Some(match packet_type {
        200 => Packet::SenderReport {
            ssrc: u32_at(packet, 4)?,
            info: SenderInfo {
                ntp: u64::from(u32_at(packet, 8)?) << 32 | u64::from(u32_at(packet, 12)?),
                timestamp: u32_at(packet, 16)?,
                packets: u32_at(packet, 20)?,
                bytes: u32_at(packet, 24)?,
            },
            blocks: blocks(28)?,
        },
        201 => Packet::ReceiverReport { ssrc: u32_at(packet, 4)?, blocks: blocks(8)? },
        203 if count > 0 => Packet::Bye { ssrc: u32_at(packet, 4)? },
        _ => Packet::Other { packet_type },
    })
}

#[cfg(test)]
mod tests {
    use super::{super::*, *};
    use trunkline_types::{Random, Time};

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let report =
            Report { ssrc: 9, timestamp: 1, packets: 2, bytes: 3, source: 7, lost: 5, highest: 70_000, jitter: 6 };
        let feedback = Feedback { fraction_lost: 64, last_report: 0x1234_5678, delay: 0x1_0000 };
        let bytes = write_with(&report, feedback, Time::new(0, 1_700_000_000_500_000_000));
        let read: Vec<_> = packets(&bytes).collect();
        let [Packet::SenderReport { ssrc: 9, info, blocks }, Packet::Other { packet_type: 202 }] = read[..] else {
            panic!("{read:?}")
        };
        assert_eq!((info.timestamp, info.packets, info.bytes), (1, 2, 3));
        assert_eq!(info.ntp >> 32, 1_700_000_000 + 2_208_988_800);
        assert_eq!(info.ntp as u32, 1 << 31);
        let block = Block {
            source: 7,
            fraction_lost: 64,
            lost: 5,
            highest: 70_000,
            jitter: 6,
            last_report: 0x1234_5678,
            delay: 0x1_0000,
        };
        assert_eq!(blocks.collect::<Vec<_>>(), [block]);
        assert!(is_rtcp(&bytes) && sender(&bytes) == Some(9));
    }

    #[test]
    fn a_goodbye_is_a_compound_packet() {
        let bytes = write_bye(7);
        let read: Vec<_> = packets(&bytes).collect();
        assert!(matches!(
            read[..],
            [Packet::ReceiverReport { ssrc: 7, .. }, Packet::Other { packet_type: 202 }, Packet::Bye { ssrc: 7 }]
        ));
    }

    #[test]
    fn lost_packets_may_be_negative() {
        let mut bytes = write(&Report::default(), Time::default());
        bytes[33..36].copy_from_slice(&[0xff, 0xff, 0xfe]);
        let Some(Packet::SenderReport { mut blocks, .. }) = packets(&bytes).next() else { panic!() };
        assert_eq!(blocks.next().unwrap().lost, -2);
    }

    #[test]
    fn lengths_that_lie_end_the_reading() {
        let good = write(&Report::default(), Time::default());
        for cut in 0..good.len() {
            assert!(packets(&good[..cut]).count() < 2);
        }
        let mut many = good;
        many[0] |= 0x1f;
        assert_eq!(packets(&many).count(), 0, "more blocks than bytes");
        assert_eq!(packets(&[0x81, 203, 0, 0]).count(), 0, "a goodbye of nobody");
        let mut random = Random::from_number(1);
        for _ in 0..20_000 {
            let mut bytes: Vec<u8> = (0..random.below(120)).map(|_| random.u64() as u8).collect();
            if let [first, second, third, ..] = bytes.as_mut_slice() {
                *first = *first & 0x3f | 0x80;
                *second = 200 + (*second & 3);
                *third = 0;
            }
            for packet in packets(&bytes) {
                if let Packet::SenderReport { blocks, .. } | Packet::ReceiverReport { blocks, .. } = packet {
                    assert!(blocks.count() <= 31);
                }
            }
        }
    }
}
