//! The numbers of what goes out on one section: continuous, whatever track feeds it.
//!
//! A subscriber's SRTP context and its jitter buffer belong to the SSRC of the section, and the SSRC
//! stays when the section is given to another track. If the numbers jumped with the track, the
//! receiver would guess a wrong rollover counter and hear nothing, for ever, without any error
//! (RFC 3711 §3.3.1).

/// The first number we send: the rollover counter of a new stream is 0, with room below for
/// packets that come out of order.
const FIRST_SEQUENCE: u64 = 1_024;
/// A jump farther than this is a new source, not a loss.
const JUMP: u64 = 3_000;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct OutStream {
    source: Option<Source>,
    last: Option<(u64, u32)>,
}

/// Where the source's numbers were when it took over, and ours.
#[derive(Debug)]
struct Source {
    id: u64,
    sequence: u64,
    timestamp: u32,
    out_sequence: u64,
    out_timestamp: u32,
    newest: u64,
}

impl OutStream {
    /// The source pauses: what comes next continues where we are.
    pub(crate) fn restart(&mut self) {
        self.source = None;
    }

    /// The outgoing sequence number (extended) and timestamp of a packet of `source`; `frame` is
    /// the usual distance of two timestamps. `None` for a packet from before the take-over.
    pub(crate) fn number(&mut self, id: u64, sequence: u64, timestamp: u32, frame: u32) -> Option<(u64, u32)> {
        let follows = self.source.as_ref().is_some_and(|s| s.id == id && sequence.abs_diff(s.newest) < JUMP);
        if !follows {
            let (out_sequence, out_timestamp) = match self.last {
                Some((sequence, timestamp)) => (sequence + 1, timestamp.wrapping_add(frame)),
                None => (FIRST_SEQUENCE, timestamp),
            };
            self.source = Some(Source { id, sequence, timestamp, out_sequence, out_timestamp, newest: sequence });
        }
        let source = self.source.as_mut()?;
        let ahead = sequence.checked_sub(source.sequence)?;
        source.newest = source.newest.max(sequence);
        let out =
            (source.out_sequence + ahead, source.out_timestamp.wrapping_add(timestamp.wrapping_sub(source.timestamp)));
        if self.last.is_none_or(|(newest, _)| out.0 > newest) {
            self.last = Some(out);
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_types::Random;

    #[test]
    fn a_late_joiner_begins_low() {
        let mut out = OutStream::default();
        assert_eq!(out.number(1, 1_000_000, 77, 960), Some((FIRST_SEQUENCE, 77)));
        assert_eq!(out.number(1, 1_000_001, 77 + 960, 960), Some((FIRST_SEQUENCE + 1, 77 + 960)));
    }

    #[test]
    fn a_loss_stays_a_gap_and_a_pause_does_not() {
        let mut out = OutStream::default();
        out.number(1, 10, 0, 960);
        assert_eq!(out.number(1, 13, 2_880, 960), Some((FIRST_SEQUENCE + 3, 2_880)));
        out.restart();
        assert_eq!(out.number(1, 200, 96_000, 960), Some((FIRST_SEQUENCE + 4, 3_840)));
    }

    #[test]
    fn another_track_continues_both_numbers() {
        let mut out = OutStream::default();
        let mut random = Random::from_number(3);
        let (mut last_sequence, mut last_timestamp) = (0, 0u32);
        for track in 0..500 {
            let (sequence, timestamp) = (random.u64() >> 20, random.u64() as u32);
            for n in 0..20u32 {
                let numbers = out.number(track, sequence + u64::from(n), timestamp.wrapping_add(n * 960), 960);
                let (s, t) = numbers.unwrap_or_default();
                if last_sequence != 0 {
                    assert_eq!((s, t), (last_sequence + 1, last_timestamp.wrapping_add(960)));
                }
                (last_sequence, last_timestamp) = (s, t);
            }
        }
    }

    #[test]
    fn what_is_older_than_the_take_over_is_dropped() {
        let mut out = OutStream::default();
        out.number(1, 50, 0, 960);
        out.number(2, 900, 5, 960);
        assert_eq!(out.number(2, 899, 5, 960), None);
        assert_eq!(out.number(2, 902, 5 + 1_920, 960).map(|n| n.0), Some(FIRST_SEQUENCE + 3));
        assert_eq!(out.number(2, 901, 5 + 960, 960).map(|n| n.0), Some(FIRST_SEQUENCE + 2));
    }
}
