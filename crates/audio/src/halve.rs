//! 16 kHz to 8 kHz, for what is decoded all the time: a recursive half-band filter.
//!
//! Two chains of allpasses, one for every other sample, whose sum is an elliptic low-pass of the
//! ninth order (R. Valenzuela and A. Constantinides, "Digital signal processing schemes for
//! efficient interpolation and decimation", 1983). Against the FIR of
//! [`Resampler`](crate::resample::Resampler) it has a tenth of the delay and bends the phase, which
//! nobody hears.

/// The allpasses' coefficients, of one chain and the other by turns: up to 3,440 Hz nothing is
/// lost, and beyond 4,560 Hz 60 dB.
const COEFFICIENTS: [f32; 4] = [0.099_74, 0.337_603, 0.607_482, 0.865_306];
/// Samples out between two looks at the state.
const CHUNK: usize = 160;
/// What an allpass may hold, for samples of 16 bits: what is less would slow down the arithmetic
/// in silence, and more or no number at all is not what speech leaves behind.
const HELD: std::ops::Range<f32> = 1e-3..1e9;
/// Above the lowest sample of 16 bits, so that what is cut off is positive.
const LIFT: f32 = 32_768.0;

/// An allpass of the first order at the lower rate.
#[derive(Clone, Copy, Debug, Default)]
struct Allpass {
    came: f32,
    went: f32,
}

impl Allpass {
    fn pass(&mut self, coefficient: f32, came: f32) -> f32 {
        let went = self.came + coefficient * (came - self.went);
        *self = Self { came, went };
        went
    }

    fn settle(&mut self) {
        for held in [&mut self.came, &mut self.went] {
            if !HELD.contains(&held.abs()) {
                *held = 0.0;
            }
        }
    }
}

/// Halves the rate of one voice. Its delay is 0.1 ms in the middle of the band and 0.4 at its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Halver {
    sections: [Allpass; 4],
}

impl Halver {
    /// Converts `input`, the continuation of what came before and an even number of samples between
    /// -1 and 1, into half as many of 16 bits; returns how many. What `out` has no room for is lost.
    pub(crate) fn process(&mut self, input: &[f32], out: &mut [i16]) -> usize {
        let written = (input.len() / 2).min(out.len());
        for (out, input) in out[..written].chunks_mut(CHUNK).zip(input.chunks(2 * CHUNK)) {
            let [mut a, mut b, mut c, mut d] = self.sections;
            let [of_a, of_b, of_c, of_d] = COEFFICIENTS;
            for (out, pair) in out.iter_mut().zip(input.chunks_exact(2)) {
                let [older, newer] = [pair[0] * 16_384.0, pair[1] * 16_384.0];
                let sum = c.pass(of_c, a.pass(of_a, newer)) + d.pass(of_d, b.pass(of_b, older));
                // Rounded by cutting off, which is an instruction, unlike rounding.
                let lifted = (sum + LIFT + 0.5) as i32;
                *out = (lifted.clamp(0, i32::from(u16::MAX)) - LIFT as i32) as i16;
            }
            self.sections = [a, b, c, d];
            self.sections.iter_mut().for_each(Allpass::settle);
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{noise::ComfortNoise, tone::Sine};
    use std::f64::consts::{PI, TAU};

    fn sine(frequency: f64, seconds: usize) -> Vec<f32> {
        let mut samples = vec![0; 16_000 * seconds];
        Sine::new(frequency, 10_000, 16_000).fill(&mut samples);
        samples.iter().map(|sample| f32::from(*sample) / 32_768.0).collect()
    }

    fn halved(input: &[f32]) -> Vec<i16> {
        let mut out = vec![0; input.len() / 2];
        assert_eq!(Halver::default().process(input, &mut out), out.len());
        out
    }

    /// In dB against a sine of 10,000, after the filter has settled.
    fn level(samples: &[i16]) -> f64 {
        let settled = &samples[samples.len() / 10..];
        let mean = settled.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / settled.len() as f64;
        10.0 * (mean / (10_000_f64.powi(2) / 2.0)).max(1e-12).log10()
    }

    #[test]
    fn the_telephone_band_passes_and_what_would_fold_into_it_does_not() {
        for frequency in [100.0, 300.0, 1_000.0, 2_000.0, 3_000.0, 3_400.0] {
            let level = level(&halved(&sine(frequency, 1)));
            assert!(level.abs() < 0.01, "{frequency} Hz: {level:.3} dB");
        }
        for frequency in [4_600.0, 5_000.0, 6_000.0, 7_000.0, 7_900.0] {
            let level = level(&halved(&sine(frequency, 1)));
            assert!(level < -60.0, "{frequency} Hz: {level:.1} dB");
        }
    }

    #[test]
    fn a_tone_stays_a_tone_and_is_hardly_late() {
        let out = halved(&sine(1_000.0, 1));
        let settled = &out[800..];
        // Of the same tone at 8 kHz, as it is and a quarter of its period later.
        let (mut along, mut across, mut energy) = (0.0, 0.0, 0.0);
        for (n, sample) in settled.iter().enumerate() {
            let angle = n as f64 * PI / 4.0;
            along += f64::from(*sample) * angle.sin();
            across -= f64::from(*sample) * angle.cos();
            energy += f64::from(*sample).powi(2);
        }
        let late = across.atan2(along) / TAU;
        assert!((0.0..0.2).contains(&late), "{late:.3} ms");
        let rest = 1.0 - (along.powi(2) + across.powi(2)) / (settled.len() as f64 / 2.0) / energy;
        assert!(rest < 1e-6, "{rest:.1e} of its energy is something else");
    }

    #[test]
    fn frames_continue_each_other_whatever_their_length() {
        let mut noise = vec![0; 9_600];
        ComfortNoise::new(20, 1).fill(&mut noise);
        let input: Vec<_> = noise.iter().map(|sample| f32::from(*sample) / 32_768.0).collect();
        let whole = halved(&input);
        for length in [2, 40, 320, 640, 1_920] {
            let (mut halver, mut out) = (Halver::default(), Vec::new());
            for frame in input.chunks(length) {
                let mut part = vec![0; frame.len() / 2];
                halver.process(frame, &mut part);
                out.extend(part);
            }
            assert!(out == whole, "{length}");
        }
    }

    #[test]
    fn what_is_too_loud_is_cut_off_and_what_is_no_number_is_forgotten() {
        let mut halver = Halver::default();
        let mut out = [0; 160];
        halver.process(&[1.5; 320], &mut out);
        assert_eq!(out[100..], [i16::MAX; 60]);
        halver.process(&[-1.5; 320], &mut out);
        assert_eq!(out[100..], [i16::MIN; 60]);
        for wrong in [f32::NAN, f32::INFINITY, f32::MAX] {
            halver.process(&[wrong; 320], &mut out);
            halver.process(&[0.25; 320], &mut out);
            assert_eq!(out[100..], [8_192; 60], "{wrong}");
        }
    }

    #[test]
    fn silence_leaves_nothing_behind() {
        let mut halver = Halver::default();
        let mut out = [0; 160];
        halver.process(&sine(1_000.0, 1)[..320], &mut out);
        for _ in 0..4 {
            halver.process(&[0.0; 320], &mut out);
        }
        assert_eq!(out, [0; 160]);
        assert!(halver.sections.iter().all(|held| held.came == 0.0 && held.went == 0.0));
    }
}
