//! The RTP packet (RFC 3550 §5.1).

/// Bytes of a header without CSRC and extension, as we write it.
pub const HEADER_BYTES: usize = 12;

/// A packet that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The marker bit.
    pub marker: bool,
    /// 0–127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// The payload, without padding.
    pub payload: &'a [u8],
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

impl<'a> Packet<'a> {
    /// Reads a packet; `None` for anything that is none, RTCP included (RFC 5761 §4).
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (first, second) = (*bytes.first()?, *bytes.get(1)?);
        if first >> 6 != 2 || (192..=223).contains(&second) {
            return None;
        }
        let csrc = usize::from(first & 0x0f).checked_mul(4)?;
        let mut at = HEADER_BYTES.checked_add(csrc)?;
        if first & 0x10 != 0 {
            let words = usize::from(u16_at(bytes, at.checked_add(2)?)?);
            at = at.checked_add(4)?.checked_add(words.checked_mul(4)?)?;
        }
        let padding = if first & 0x20 == 0 { 0 } else { usize::from(*bytes.last()?) };
        let end = bytes.len().checked_sub(padding)?;
        Some(Self {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16_at(bytes, 2)?,
            timestamp: u32_at(bytes, 4)?,
            ssrc: u32_at(bytes, 8)?,
            payload: bytes.get(at..end)?,
        })
    }
}

/// Writes a header without CSRC and extension.
pub fn write_header(marker: bool, payload_type: u8, sequence: u16, timestamp: u32, ssrc: u32) -> [u8; HEADER_BYTES] {
    let [s0, s1] = sequence.to_be_bytes();
    let [t0, t1, t2, t3] = timestamp.to_be_bytes();
    let [c0, c1, c2, c3] = ssrc.to_be_bytes();
    [0x80, u8::from(marker) << 7 | (payload_type & 0x7f), s0, s1, t0, t1, t2, t3, c0, c1, c2, c3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = write_header(true, 101, 65_535, u32::MAX, 7).to_vec();
        bytes.extend([1, 2, 3]);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!((packet.marker, packet.payload_type, packet.sequence), (true, 101, 65_535));
        assert_eq!((packet.timestamp, packet.ssrc, packet.payload), (u32::MAX, 7, &[1, 2, 3][..]));
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let good = write_header(false, 0, 1, 2, 3).to_vec();
        for (first, tail) in [(0x8f, vec![]), (0x90, vec![0, 0, 255, 255]), (0xa0, vec![200]), (0x40, vec![0; 160])] {
            let mut bytes = good.clone();
            bytes[0] = first;
            bytes.extend(tail);
            assert_eq!(Packet::parse(&bytes), None, "{first:#x}");
        }
        for length in 0..HEADER_BYTES {
            assert_eq!(Packet::parse(&good[..length]), None);
        }
    }
}
