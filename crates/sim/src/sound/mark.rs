//! Marks in the sound whose way is timed: a burst of tone after silence. Both clocks are ours, so
//! one way can be measured too.

use super::Clip;
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use trunkline_audio::tone::Sine;

/// A mark each second, as long as two packets.
const PERIOD_FRAMES: usize = 50;
const MARK_FRAMES: usize = 2;
/// What is louder is the mark.
const LOUD: u16 = 2_500;
/// So long it must have been quiet before, in milliseconds.
const QUIET_BEFORE: usize = 300;

/// A second of sound with a mark at its beginning.
pub fn marks(rate: u32) -> Clip {
    let frame = rate as usize / 50;
    let mut pcm = vec![0; frame * PERIOD_FRAMES];
    Sine::new(1_000.0, 12_000, rate).fill(&mut pcm[..frame * MARK_FRAMES]);
    Clip { rate, pcm }
}

/// Whether the n-th packet of [`marks`] begins with a mark.
pub(crate) fn begins(packet: u64) -> bool {
    packet.is_multiple_of(PERIOD_FRAMES as u64)
}

/// Finds where sound begins after silence.
#[derive(Clone, Debug)]
pub struct Onset {
    quiet: usize,
    least: usize,
}

impl Onset {
    /// For sound at this rate, Hz.
    pub fn new(rate: u32) -> Self {
        Self { quiet: 0, least: rate as usize / 1_000 * QUIET_BEFORE }
    }

    /// The sample at which a mark begins in this piece of sound, if one does.
    pub fn find(&mut self, pcm: &[i16]) -> Option<usize> {
        for (at, sample) in pcm.iter().enumerate() {
            if sample.unsigned_abs() <= LOUD {
                self.quiet += 1;
            } else if std::mem::take(&mut self.quiet) >= self.least {
                return Some(at);
            }
        }
        None
    }
}

/// One way that marks take; both ends hold it.
#[derive(Debug, Default)]
pub struct Line {
    sent: Mutex<Option<Instant>>,
    took: Mutex<Vec<Duration>>,
}

impl Line {
    /// A packet that begins with a mark was sent.
    pub(crate) fn sent(&self, at: Instant) {
        *self.sent.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }

    /// A packet was received in which a mark begins after `lead` of other sound.
    pub(crate) fn heard(&self, at: Instant, lead: Duration) {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sent) = sent {
            let took = at.duration_since(sent) + lead;
            self.took.lock().unwrap_or_else(PoisonError::into_inner).push(took);
        }
    }

    /// How long each mark took so far: from the packet that began with it to its first sample.
    pub fn took(&self) -> Vec<Duration> {
        self.took.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_once_at_its_first_sample() {
        let marks = marks(8_000);
        let mut onset = Onset::new(8_000);
        assert_eq!(onset.find(&[0; 4_000]), None);
        let found: Vec<_> = marks.pcm.chunks(160).enumerate().filter_map(|(n, f)| Some((n, onset.find(f)?))).collect();
        assert!(matches!(found[..], [(0, at)] if at < 4), "{found:?}");
        assert!(begins(0) && begins(50) && !begins(1));
    }
}
