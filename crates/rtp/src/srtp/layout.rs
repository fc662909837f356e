//! Where the parts of a packet lie.

use crate::packet::u32_at;

/// Bytes of an RTCP header that stay readable (RFC 3711 §3.4).
pub(super) const RTCP_CLEAR: usize = 8;
/// Bytes of the RTCP index with its E bit.
pub(super) const RTCP_INDEX: usize = 4;
/// Set when an RTCP packet is encrypted.
pub(super) const RTCP_ENCRYPTED: u32 = 0x8000_0000;

/// The header of an RTP packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct RtpHeader {
    pub(super) length: usize,
    pub(super) sequence: u16,
    pub(super) ssrc: u32,
}

/// Reads the header, CSRCs and extension included; `None` when it does not fit into the bytes.
pub(super) fn rtp_header(bytes: &[u8]) -> Option<RtpHeader> {
    let [first, _, s0, s1, ..] = bytes else { return None };
    if first >> 6 != 2 {
        return None;
    }
    let mut length = 12_usize.checked_add(usize::from(first & 0x0f).checked_mul(4)?)?;
    if first & 0x10 != 0 {
        let words = usize::from(u16::try_from(u32_at(bytes, length)? & 0xffff).ok()?);
        length = length.checked_add(4)?.checked_add(words.checked_mul(4)?)?;
    }
    let ssrc = u32_at(bytes, 8)?;
    (length <= bytes.len()).then_some(RtpHeader { length, sequence: u16::from_be_bytes([*s0, *s1]), ssrc })
}

/// Copies `from` to `at`; `None` when there is no room.
pub(super) fn put(buffer: &mut [u8], at: usize, from: &[u8]) -> Option<usize> {
    let end = at.checked_add(from.len())?;
    buffer.get_mut(at..end)?.copy_from_slice(from);
    Some(end)
}
