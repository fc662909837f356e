//! How loud a track is, as clients are told who speaks.
//!
//! As in LiveKit: who is louder than −35 dBov in 40% of a window of 400 ms speaks, as loud as the
//! loudest packet, less what of the window was quiet, smoothed over two windows. A knock on the table
//! or a breath is no speech.

/// From a report to the next one, milliseconds.
pub(crate) const WINDOW: u32 = 400;
/// Who is so loud for so much of the window speaks, milliseconds.
const SPOKEN: u32 = WINDOW * 2 / 5;
/// What is quieter than that is no speech, −dBov.
const QUIET: u8 = 35;
/// The mean square of PCM at that level: (32,768 · 10^(−35/20))².
const QUIET_SQUARE: u32 = 339_547;
/// How much of a change is told at once: 2 / (1 + 2 windows).
const SMOOTH: f32 = 2.0 / 3.0;
/// Levels are told in so many steps, so that small changes are not.
const STEPS: f32 = 8.0;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loudness {
    /// Of this window, milliseconds in which it was loud.
    spoken: u32,
    /// The loudest packet of this window whose level was told, in −dBov.
    quietness: u8,
    /// The loudest PCM of this window, its mean square.
    mean_square: u32,
    /// The level at the end of the last window, 0 to 1.
    level: f32,
}

impl Default for Loudness {
    fn default() -> Self {
        Self { spoken: 0, quietness: u8::MAX, mean_square: 0, level: 0.0 }
    }
}

impl Loudness {
    /// A packet of so many milliseconds is as loud as it says (RFC 6464): 0 to 127, −dBov.
    pub(crate) fn dbov(&mut self, quietness: u8, milliseconds: u32) {
        if quietness <= QUIET {
            self.spoken = self.spoken.saturating_add(milliseconds);
            self.quietness = self.quietness.min(quietness);
        }
    }

    /// A packet has this PCM of `rate` samples per second.
    pub(crate) fn pcm(&mut self, pcm: &[i16], rate: u32) {
        let mean_square = mean_square(pcm);
        if mean_square >= QUIET_SQUARE {
            let samples = u32::try_from(pcm.len()).unwrap_or(0);
            self.spoken = self.spoken.saturating_add(samples.saturating_mul(1_000) / rate.max(1));
            self.mean_square = self.mean_square.max(mean_square);
        }
    }

    /// A window ends; whether its [level](Self::level) is another one than the last.
    pub(crate) fn end_window(&mut self) -> bool {
        let Self { spoken, quietness, mean_square, level } = std::mem::take(self);
        if spoken >= SPOKEN {
            let told = if quietness > QUIET { 0.0 } else { 10f32.powf(f32::from(quietness) / -20.0) };
            let loudest = told.max((mean_square as f32).sqrt() / 32_768.0).min(1.0);
            let now = loudest * spoken.min(WINDOW) as f32 / WINDOW as f32;
            self.level = level + (now - level) * SMOOTH;
        }
        step(self.level) != step(level)
    }

    /// Of the last window: 0 for nobody who speaks and up to 1, in steps of an eighth.
    pub(crate) fn level(self) -> f32 {
        f32::from(step(self.level)) / STEPS
    }
}

fn step(level: f32) -> u8 {
    (level * STEPS).ceil() as u8
}

/// The mean square of PCM; 0 for none.
fn mean_square(pcm: &[i16]) -> u32 {
    let energy: u64 = pcm
        .chunks(2)
        .map(|pair| u64::from(pair.iter().map(|s| i32::from(*s).pow(2).unsigned_abs()).sum::<u32>()))
        .sum();
    energy.checked_div(pcm.len() as u64).and_then(|mean| u32::try_from(mean).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_loud_for_two_fifths_of_the_window_speaks() {
        let mut loudness = Loudness::default();
        let mut window = |quietness: u8, packets: u32| {
            (0..packets).for_each(|_| loudness.dbov(quietness, 20));
            (packets..20).for_each(|_| loudness.dbov(60, 20));
            let before = loudness.level();
            assert_eq!(loudness.end_window(), loudness.level() != before);
            loudness.level()
        };
        assert_eq!(window(20, 7), 0.0, "140 ms");
        assert_eq!(window(36, 20), 0.0, "quiet");
        // 0.1, of which two thirds are told: in steps of an eighth the first.
        assert_eq!(window(20, 20), 0.125);
        assert_eq!(window(0, 20), 0.75, "0.69");
        assert_eq!(window(0, 20), 1.0, "0.90");
        assert_eq!(window(0, 8), 0.625, "0.57, for 0.4 of it is loud");
        assert_eq!(window(20, 0), 0.0, "silence is told at once");
        assert_eq!(window(0, 0), 0.0);
    }

    #[test]
    fn pcm_is_judged_like_what_packets_say() {
        let mut loudness = Loudness::default();
        let mut window = |sample: i16, rate: u32| {
            (0..20).for_each(|_| loudness.pcm(&vec![sample; rate as usize / 50], rate));
            loudness.end_window();
            loudness.level()
        };
        // −35.0 dBov is an amplitude of 582.7.
        assert_eq!((window(582, 8_000), window(583, 8_000)), (0.0, 0.125));
        assert_eq!((window(i16::MIN, 16_000), window(i16::MIN, 16_000)), (0.75, 1.0));
        assert_eq!(window(0, 48_000), 0.0);
        loudness.pcm(&[], 0);
        (0..5_000).for_each(|_| loudness.pcm(&[i16::MIN; 161], 1));
        assert!(loudness.end_window() && loudness.level() <= 1.0);
    }
}
