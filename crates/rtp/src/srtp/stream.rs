//! Roll-over counters and replay windows, one per source.

use super::{error::Error, replay::ReplayWindow};

/// Sources whose state is kept. Forgetting one would let its packets be replayed.
pub(super) const SOURCES: usize = 32;
/// RTP indices have 48 bits (RFC 3711 §3.3.1).
const MAX_RTP_INDEX: u64 = (1 << 48) - 1;
/// RTCP indices have 31 bits (RFC 3711 §3.4).
pub(super) const MAX_RTCP_INDEX: u64 = (1 << 31) - 1;

/// The windows of all sources in one direction.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams {
    sources: [Option<(u32, ReplayWindow)>; SOURCES],
}

impl Streams {
    /// What is known of a source; an empty window for a new one, if there is room for it.
    pub(super) fn window(&self, ssrc: u32) -> Result<ReplayWindow, Error> {
        match self.sources.iter().flatten().find(|(known, _)| *known == ssrc) {
            Some((_, window)) => Ok(*window),
            None if self.sources.iter().any(Option::is_none) => Ok(ReplayWindow::default()),
            None => Err(Error::TooManySources),
        }
    }

    /// Takes note of an authentic packet.
    pub(super) fn note(&mut self, ssrc: u32, index: u64) {
        let known = self.sources.iter().position(|s| s.is_some_and(|(known, _)| known == ssrc));
        let place = known.or_else(|| self.sources.iter().position(Option::is_none));
        if let Some(slot) = place.and_then(|place| self.sources.get_mut(place)) {
            slot.get_or_insert((ssrc, ReplayWindow::default())).1.note(index);
        }
    }
}

/// The index of that sequence number that is nearest to the highest one seen (RFC 3711 §3.3.1 and
/// appendix A); `None` beyond the last there is.
pub fn rtp_index(window: &ReplayWindow, sequence: u16) -> Option<u64> {
    let Some(highest) = window.highest() else { return Some(sequence.into()) };
    let ahead = i64::from(sequence.wrapping_sub(highest as u16) as i16);
    // Before the first roll-over nothing is older than index 0: such a number lies ahead.
    let index = match highest.checked_add_signed(ahead) {
        Some(index) => index,
        None => highest.checked_add_signed(ahead.checked_add(0x1_0000)?)?,
    };
    (index <= MAX_RTP_INDEX).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_rolls_over_and_back() {
        let mut window = ReplayWindow::default();
        assert_eq!(rtp_index(&window, 65_530), Some(65_530));
        window.note(65_530);
        assert_eq!(rtp_index(&window, 3), Some(65_539));
        window.note(65_539);
        assert_eq!(rtp_index(&window, 65_535), Some(65_535));
        let mut end = ReplayWindow::default();
        end.note(MAX_RTP_INDEX);
        assert_eq!(rtp_index(&end, 0), None);
        let mut young = ReplayWindow::default();
        young.note(5);
        assert_eq!(rtp_index(&young, 65_000), Some(65_000));
    }

    #[test]
    fn there_is_room_for_so_many_sources() {
        let mut streams = Streams::default();
        for ssrc in 0..SOURCES as u32 {
            assert!(streams.window(ssrc).is_ok());
            streams.note(ssrc, 1);
        }
        assert_eq!(streams.window(99).unwrap_err(), Error::TooManySources);
        assert!(streams.window(5).is_ok());
    }
}
