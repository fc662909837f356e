//! Making up what was lost of G.711 and G.722, in the manner of ITU-T G.711 Appendix I: the last
//! pitch periods are repeated and fade to silence.
//!
//! Unlike there nothing is delayed: what was already played cannot be blended any more, so that the
//! made-up signal begins at its height and glides back to its own.

use crate::pitch::most_alike;

/// The unit of all lengths: samples per millisecond at 8 kHz.
const PER_MILLISECOND: usize = 8;
/// Pitch periods lie between 5 and 15 ms (66 to 200 Hz).
const SHORTEST: usize = 5 * PER_MILLISECOND;
const LONGEST: usize = 15 * PER_MILLISECOND;
/// Periods are compared over 20 ms.
const COMPARED: usize = 20 * PER_MILLISECOND;
/// Three periods and a quarter of one.
const HISTORY: usize = 3 * LONGEST + LONGEST / 4;
/// After so long one more period is repeated, up to three, so that it does not buzz.
const STEP: usize = 10 * PER_MILLISECOND;
/// From 10 ms on it fades, and after 60 ms there is silence.
const FULL: usize = 10 * PER_MILLISECOND;
const FADED: usize = 60 * PER_MILLISECOND;
/// 8 kHz and 16 kHz.
const MOST_SCALE: usize = 2;

/// Conceals what one voice loses.
#[derive(Clone, Debug)]
pub struct Concealer {
    /// Samples per sample of 8 kHz.
    scale: usize,
    /// What was played last, newest at the end of its first `HISTORY * scale`.
    history: [i16; HISTORY * MOST_SCALE],
    /// What was played before the loss, which is repeated.
    frozen: [i16; HISTORY * MOST_SCALE],
    /// The period of `frozen` and the samples made up since; `None` while nothing is lost.
    loss: Option<Loss>,
}

#[derive(Clone, Copy, Debug)]
struct Loss {
    period: usize,
    made: usize,
}

impl Concealer {
    /// A concealer for PCM at `rate` Hz: 8,000 or 16,000; any other is taken as the nearer of both.
    pub fn new(rate: u32) -> Self {
        let scale = if rate > 12_000 { 2 } else { 1 };
        Self { scale, history: [0; HISTORY * MOST_SCALE], frozen: [0; HISTORY * MOST_SCALE], loss: None }
    }

    /// Takes what came. The first frame after a loss is blended with what was made up.
    pub fn received(&mut self, frame: &mut [i16]) {
        if let Some(loss) = self.loss.take() {
            // A quarter of a period, and the longer the loss the longer, up to 10 ms.
            let longer = loss.made / STEP * 4 / 10;
            let blend = (loss.period / 4 + longer).min(STEP * self.scale).min(frame.len());
            for (n, sample) in frame[..blend].iter_mut().enumerate() {
                let made_up = self.made_up(Loss { made: loss.made + n, ..loss });
                let weight = (n + 1) as f32 / (blend + 1) as f32;
                *sample = (f32::from(*sample) * weight + made_up * (1.0 - weight)) as i16;
            }
        }
        self.remember(frame);
    }

    /// Fills `out` with a guess at what was lost.
    pub fn conceal(&mut self, out: &mut [i16]) {
        let mut loss = match self.loss {
            Some(loss) => loss,
            None => {
                self.frozen = self.history;
                Loss { period: self.period(), made: 0 }
            }
        };
        for sample in out.iter_mut() {
            *sample = self.made_up(loss) as i16;
            loss.made = loss.made.saturating_add(1);
        }
        self.loss = Some(loss);
        self.remember(out);
    }

    /// Whether the last frame was made up.
    pub fn is_concealing(&self) -> bool {
        self.loss.is_some()
    }

    fn remember(&mut self, frame: &[i16]) {
        let all = HISTORY * self.scale;
        let kept = all.saturating_sub(frame.len());
        self.history.copy_within(all - kept..all, 0);
        self.history[kept..all].copy_from_slice(&frame[frame.len() - (all - kept)..]);
    }

    /// The period at which the end of what was played resembles itself most.
    fn period(&self) -> usize {
        let history = &self.history[..HISTORY * self.scale];
        most_alike(history, COMPARED * self.scale, SHORTEST * self.scale..=LONGEST * self.scale).0
    }

    /// The sample `loss.made` after the loss began.
    fn made_up(&self, loss: Loss) -> f32 {
        let end = HISTORY * self.scale;
        let Loss { period, made } = loss;
        let fade_from = FULL * self.scale;
        let fade_to = FADED * self.scale;
        if made >= fade_to {
            return 0.0;
        }
        let quarter = period / 4;
        let step = STEP * self.scale;
        let periods = (made / step + 1).min(3);
        let mut sample = self.repeated(made, period, periods);
        let since = made % step;
        if periods > 1 && made / step < 3 && since < quarter {
            // One more period from here on: over from how it would have continued.
            sample = blend(self.repeated(made, period, periods - 1), sample, since, quarter);
        } else if made < quarter {
            // No step from the last sample that was heard.
            let step = f32::from(self.frozen[end - 1]) - f32::from(self.frozen[end - 1 - period]);
            sample += blend(step, 0.0, made, quarter);
        }
        let left = (fade_to - made.max(fade_from)) as f32 / (fade_to - fade_from) as f32;
        sample * left
    }

    /// The last `periods` periods repeated for ever; each repetition blends into the next.
    fn repeated(&self, at: usize, period: usize, periods: usize) -> f32 {
        let end = HISTORY * self.scale;
        let length = periods * period;
        let quarter = period / 4;
        let place = at % length;
        let sample = f32::from(self.frozen[end - length + place]);
        match (place + quarter).checked_sub(length) {
            // What leads to the beginning is what came before it.
            Some(since) => blend(sample, f32::from(self.frozen[end - length - quarter + since]), since, quarter),
            None => sample,
        }
    }
}

/// Where it stands after `at` of `over` steps from the one to the other.
pub(crate) fn blend(from: f32, to: f32, at: usize, over: usize) -> f32 {
    let weight = (at + 1) as f32 / (over + 1) as f32;
    from + (to - from) * weight
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        noise::ComfortNoise,
        spoken::{steepest, voice},
    };

    fn root_mean_square(samples: &[i16]) -> f64 {
        (samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64).sqrt()
    }

    /// What is played of `samples` when the frames in `lost` are.
    fn played(rate: u32, samples: &[i16], lost: &[usize]) -> Vec<i16> {
        let mut concealer = Concealer::new(rate);
        let mut out = Vec::new();
        for (n, frame) in samples.chunks(rate as usize / 50).enumerate() {
            let mut frame = frame.to_vec();
            if lost.contains(&n) {
                frame.fill(0);
                concealer.conceal(&mut frame);
            } else {
                concealer.received(&mut frame);
            }
            out.extend(frame);
        }
        out
    }

    #[test]
    fn what_is_not_lost_is_not_touched() {
        let samples = voice(8_000, 120.0, 1_600);
        assert_eq!(played(8_000, &samples, &[]), samples);
        let with_loss = played(8_000, &samples, &[4]);
        assert_eq!(with_loss[..640], samples[..640]);
        assert_eq!(with_loss[880..], samples[880..]);
    }

    #[test]
    fn a_steady_voice_goes_on_as_if_nothing_had_happened() {
        for rate in [8_000, 16_000] {
            for pitch in [80.0, 100.0, 125.0, 160.0, 200.0] {
                let samples = voice(rate, pitch, rate as usize / 5);
                let out = played(rate, &samples, &[5]);
                let frame = rate as usize / 50;
                let lost = 5 * frame..6 * frame;
                let errors: Vec<i16> =
                    out[lost.clone()].iter().zip(&samples[lost.clone()]).map(|(a, b)| a - b).collect();
                let (error, signal) = (root_mean_square(&errors), root_mean_square(&samples[lost]));
                assert!(error < signal * 0.35, "{pitch} Hz at {rate}: {error:.0} of {signal:.0}");
                assert!(
                    steepest(&out) <= steepest(&samples) * 3 / 2,
                    "{pitch} Hz at {rate}: {} of {}",
                    steepest(&out),
                    steepest(&samples)
                );
            }
        }
    }

    #[test]
    fn a_long_loss_fades_to_silence_within_sixty_milliseconds() {
        let samples = voice(8_000, 110.0, 160 * 20);
        let out = played(8_000, &samples, &[5, 6, 7, 8, 9, 10]);
        let level = |frame: usize| root_mean_square(&out[frame * 160..(frame + 1) * 160]);
        assert!(level(5) > level(6) && level(6) > level(7) && level(7) > 0.0);
        assert!(out[8 * 160..11 * 160].iter().all(|sample| *sample == 0));
        assert_eq!(out[12 * 160..], samples[12 * 160..]);
        assert!(steepest(&out) <= steepest(&samples) * 3 / 2);
    }

    #[test]
    fn silence_and_noise_are_continued_at_their_level() {
        assert_eq!(played(8_000, &[0; 1_600], &[3, 4]), [0; 1_600]);
        let mut noise = vec![0; 3_200];
        ComfortNoise::new(30, 2).fill(&mut noise);
        let out = played(8_000, &noise, &[10]);
        let (made, real) = (root_mean_square(&out[1_600..1_760]), root_mean_square(&noise));
        assert!(made > real * 0.4 && made < real * 1.5, "{made:.0} of {real:.0}");
    }

    #[test]
    fn a_loss_before_anything_and_odd_frames_do_no_harm() {
        let mut concealer = Concealer::new(8_000);
        let mut frame = [7; 160];
        concealer.conceal(&mut frame);
        assert_eq!(frame, [0; 160]);
        assert!(concealer.is_concealing());
        concealer.received(&mut []);
        assert!(!concealer.is_concealing());
        let mut long = vec![i16::MIN; 5_000];
        concealer.received(&mut long);
        concealer.conceal(&mut long);
        concealer.conceal(&mut [0; 3]);
        concealer.received(&mut [i16::MAX; 3]);
        concealer.conceal(&mut []);
        let mut loud = [0; 480];
        concealer.conceal(&mut loud);
    }
}
