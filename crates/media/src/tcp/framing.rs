//! Packets in a stream of bytes: two bytes of length before each (RFC 4571 §2).

/// The longest packet that is taken. WebRTC keeps below the size of an Ethernet frame; who sends
/// more is no client of ours.
pub(crate) const PACKET_BYTES: usize = 2_048;
/// What stands before each packet.
pub(crate) const LENGTH_BYTES: usize = 2;

/// What a stream begins with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Cut<'a> {
    /// A packet, and what follows it.
    Packet(&'a [u8], &'a [u8]),
    /// Less than a whole packet.
    Wait,
    /// A packet longer than [`PACKET_BYTES`].
    TooLong,
}

/// Cuts the first packet off a stream.
pub(crate) fn cut(bytes: &[u8]) -> Cut<'_> {
    let [high, low, rest @ ..] = bytes else { return Cut::Wait };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if length > PACKET_BYTES {
        return Cut::TooLong;
    }
    match rest.split_at_checked(length) {
        Some((packet, rest)) => Cut::Packet(packet, rest),
        None => Cut::Wait,
    }
}

/// Appends a packet to what is to be sent; one that is too long for its length is left out.
pub(crate) fn append(packet: &[u8], out: &mut Vec<u8>) {
    if let Ok(length) = u16::try_from(packet.len()) {
        out.extend(length.to_be_bytes());
        out.extend(packet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_out_as_they_went_in_wherever_the_stream_is_cut() {
        let packets = [&b"one"[..], b"", b"a longer one", &[7; PACKET_BYTES]];
        let mut whole = Vec::new();
        packets.iter().for_each(|packet| append(packet, &mut whole));
        for end in 0..=whole.len() {
            let (mut rest, mut seen) = (&whole[..end], 0);
            while let Cut::Packet(packet, after) = cut(rest) {
                assert_eq!(packet, packets[seen]);
                (rest, seen) = (after, seen + 1);
            }
            assert_eq!(cut(rest), Cut::Wait);
            assert_eq!(seen == packets.len(), end == whole.len());
        }
    }

    #[test]
    fn a_length_beyond_any_packet_is_seen_at_once() {
        assert_eq!(cut(b"\x08\x01"), Cut::TooLong);
        assert_eq!(cut(b"GET / HTTP/1.1\r\n"), Cut::TooLong);
        let mut out = Vec::new();
        append(&vec![0; 70_000], &mut out);
        assert!(out.is_empty());
    }
}
