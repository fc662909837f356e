//! Which frames are silent, so that they need not be encoded again.

/// The mean square at and below which a frame is silent: −60 dBov, about four steps of G.711. So low
/// that repeating one frame of it for the next cannot be heard.
const MEAN_SQUARE: u64 = 32 * 32;
/// A single sample beyond this is a sound, however short.
const PEAK: u16 = 128;
/// Silence counts after this long, so that the ends of words are not cut off.
const HANGOVER_MILLISECONDS: u32 = 200;

/// A silence gate for one voice.
#[derive(Clone, Debug)]
pub struct Gate {
    hangover: usize,
    quiet: usize,
}

impl Gate {
    /// A gate for PCM at `rate` Hz.
    pub fn new(rate: u32) -> Self {
        Self { hangover: (rate / 1_000 * HANGOVER_MILLISECONDS) as usize, quiet: 0 }
    }

    /// Whether this frame and the 200 ms before it were silent. An empty frame changes nothing.
    pub fn is_silent(&mut self, frame: &[i16]) -> bool {
        let peak = frame.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
        let energy = || frame.iter().map(|sample| u64::from(sample.unsigned_abs()).pow(2)).sum::<u64>();
        // Of a loud frame the rest is not asked.
        let silent = peak <= PEAK && energy() <= MEAN_SQUARE * frame.len() as u64;
        let before = self.quiet;
        self.quiet = if silent { self.quiet.saturating_add(frame.len()) } else { 0 };
        silent && before >= self.hangover
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 8_000;

    #[test]
    fn silence_counts_after_the_hangover_and_ends_at_once() {
        let mut gate = Gate::new(RATE);
        let loud = [5_000; 160];
        assert!(!gate.is_silent(&loud));
        for frame in 0..10 {
            assert!(!gate.is_silent(&[0; 160]), "frame {frame} is within 200 ms");
        }
        assert!(gate.is_silent(&[0; 160]));
        assert!(gate.is_silent(&[8; 160]), "the idle code of A-law");
        assert!(!gate.is_silent(&loud));
        assert!(!gate.is_silent(&[0; 160]));
    }

    #[test]
    fn a_click_and_a_faint_voice_are_sounds() {
        let mut gate = Gate::new(RATE);
        for _ in 0..20 {
            gate.is_silent(&[0; 160]);
        }
        let mut click = [0; 160];
        click[80] = 200;
        assert!(!gate.is_silent(&click));
        for _ in 0..20 {
            gate.is_silent(&[0; 160]);
        }
        assert!(!gate.is_silent(&[40; 160]));
    }
}
