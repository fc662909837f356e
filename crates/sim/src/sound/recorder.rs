//! What was heard, put where its timestamps say.

use super::Clip;

/// A recording ends after this many seconds.
const LIMIT: u32 = 900;

/// See the module. What is missing is silence.
#[derive(Debug, Default)]
pub struct Recorder {
    rate: u32,
    clock: u32,
    first: Option<u32>,
    pcm: Vec<i16>,
}

impl Recorder {
    /// For sound at `rate` Hz whose timestamps tick at `clock` Hz.
    pub fn new(rate: u32, clock: u32) -> Self {
        Self { rate, clock, ..Self::default() }
    }

    /// A piece that begins at this timestamp. One from before the first is left out.
    pub fn put(&mut self, timestamp: u32, pcm: &[i16]) {
        let ticks = timestamp.wrapping_sub(*self.first.get_or_insert(timestamp));
        let at = u64::from(ticks) * u64::from(self.rate) / u64::from(self.clock.max(1));
        if at > u64::from(LIMIT * self.rate) {
            return;
        }
        let at = usize::try_from(at).unwrap_or(0);
        if self.pcm.len() < at + pcm.len() {
            self.pcm.resize(at + pcm.len(), 0);
        }
        self.pcm[at..at + pcm.len()].copy_from_slice(pcm);
    }

    /// What there is so far.
    pub fn clip(self) -> Clip {
        Clip { rate: self.rate, pcm: self.pcm }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_silence_and_order_does_not_matter() {
        let mut recorder = Recorder::new(8_000, 48_000);
        recorder.put(u32::MAX - 11, &[1, 1]);
        recorder.put(24, &[3, 3]);
        recorder.put(12, &[2, 2]);
        assert_eq!(recorder.clip().pcm, [1, 1, 0, 0, 2, 2, 3, 3]);
    }
}
