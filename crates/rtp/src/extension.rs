//! One-byte header extensions (RFC 8285 §4.2), and the audio level in them (RFC 6464).

/// The profile of one-byte extensions.
const ONE_BYTE: [u8; 2] = [0xbe, 0xde];

/// How loud a packet is (RFC 6464 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioLevel {
    /// The sender believes it to be speech.
    pub voice: bool,
    /// 0 for full scale to 127 for silence: −dBov.
    pub level: u8,
}

impl AudioLevel {
    /// From the extension's byte.
    pub const fn from_byte(byte: u8) -> Self {
        Self { voice: byte & 0x80 != 0, level: byte & 0x7f }
    }

    /// The extension's byte.
    pub const fn to_byte(self) -> u8 {
        (self.voice as u8) << 7 | if self.level > 127 { 127 } else { self.level }
    }
}

/// The element with that id (1–14) of an RTP packet; `None` without one.
pub fn find(packet: &[u8], id: u8) -> Option<&[u8]> {
    let first = *packet.first()?;
    if first & 0x10 == 0 || !(1..=14).contains(&id) {
        return None;
    }
    let at = 12_usize.checked_add(usize::from(first & 0x0f).checked_mul(4)?)?;
    let [p0, p1, l0, l1] = packet.get(at..at.checked_add(4)?)? else { return None };
    if [*p0, *p1] != ONE_BYTE {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([*l0, *l1])).checked_mul(4)?;
    let mut rest = packet.get(at.checked_add(4)?..)?.get(..length)?;
    while let [head, tail @ ..] = rest {
        match head >> 4 {
            0 => rest = tail,
            15 => return None,
            found => {
                let (value, tail) = tail.split_at_checked(usize::from(head & 0x0f).checked_add(1)?)?;
                if found == id {
                    return Some(value);
                }
                rest = tail;
            }
        }
    }
    None
}

/// The audio level of an RTP packet.
pub fn audio_level(packet: &[u8], id: u8) -> Option<AudioLevel> {
    find(packet, id)?.first().map(|byte| AudioLevel::from_byte(*byte))
}

/// Writes the extension with these elements, ids (1–14) and values (1–16 bytes), to follow a header
/// whose X bit (0x10 of the first byte) is set; its length, 0 where there are no elements. `None` for
/// what does not fit, into the form or the buffer.
pub fn write<'a>(elements: impl IntoIterator<Item = (u8, &'a [u8])>, buffer: &mut [u8]) -> Option<usize> {
    let mut end = 4_usize;
    for (id, value) in elements {
        let length = value.len().checked_sub(1).filter(|length| *length < 16 && (1..=14).contains(&id))?;
        *buffer.get_mut(end)? = id << 4 | u8::try_from(length).ok()?;
        let (start, after) = (end.checked_add(1)?, end.checked_add(1)?.checked_add(value.len())?);
        buffer.get_mut(start..after)?.copy_from_slice(value);
        end = after;
    }
    if end == 4 {
        return Some(0);
    }
    let padded = end.next_multiple_of(4);
    buffer.get_mut(end..padded)?.fill(0);
    let words = u16::try_from(padded / 4).ok()?.checked_sub(1)?;
    buffer.get_mut(..2)?.copy_from_slice(&ONE_BYTE);
    buffer.get_mut(2..4)?.copy_from_slice(&words.to_be_bytes());
    Some(padded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Packet, write_header};

    #[test]
    fn a_level_is_read_as_it_was_written() {
        let level = AudioLevel { voice: true, level: 30 };
        let mut packet = write_header(false, 0, 1, 2, 3).to_vec();
        packet[0] |= 0x10;
        let mut written = [9; 20];
        let length = write([(1, &b"7"[..]), (3, &[level.to_byte()])], &mut written).unwrap();
        assert_eq!(length, 8);
        packet.extend(&written[..length]);
        packet.extend([7; 20]);
        assert_eq!(audio_level(&packet, 3), Some(level));
        assert_eq!(audio_level(&packet, 4), None);
        assert_eq!(Packet::parse(&packet).unwrap().payload, [7; 20]);
        assert_eq!(find(&packet, 1), Some(&b"7"[..]));
        assert_eq!(write([], &mut written), Some(0));
        for (id, value) in [(15, &[1][..]), (0, &[1]), (1, &[]), (1, &[0; 17])] {
            assert_eq!(write([(id, value)], &mut written), None);
        }
        assert_eq!(write([(1, &[0; 16][..])], &mut written[..19]), None);
    }

    #[test]
    fn elements_are_found_behind_others_and_lies_are_not_followed() {
        let mut packet = write_header(false, 0, 1, 2, 3).to_vec();
        packet[0] |= 0x10;
        packet.extend([0xbe, 0xde, 0, 2, 0x12, 1, 2, 3, 0, 0x50, 0x7f, 0]);
        assert_eq!(find(&packet, 5), Some(&[0x7f][..]));
        assert_eq!(find(&packet, 1), Some(&[1, 2, 3][..]));
        for cut in 0..packet.len() {
            assert_eq!(find(&packet[..cut], 5), None);
        }
        packet[16] = 0x1f;
        assert_eq!(find(&packet, 1), None);
        packet[12] = 0x10;
        assert_eq!(find(&packet, 5), None);
    }
}
