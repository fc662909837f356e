//! Comfort noise, for a line that must not sound dead.

/// How much of the sample before stays: a gentle fall towards high frequencies, as rooms have.
const TILT: f32 = 0.5;

/// Noise at a level, the same for the same seed.
#[derive(Clone, Debug)]
pub struct ComfortNoise {
    state: u64,
    gain: f32,
    last: f32,
}

impl ComfortNoise {
    /// Noise of `level` dB below overload, as RFC 3389 §3.1 counts: 0 to 127, where 127 is silence.
    pub fn new(level: u8, seed: u64) -> Self {
        let root_mean_square = 32_768.0 * 10f32.powf(-f32::from(level.min(127)) / 20.0);
        // Even noise of ±1 has a mean square of 1/3, of which the tilt leaves 1/(1 − tilt²).
        let gain = root_mean_square * (3.0 * (1.0 - TILT * TILT)).sqrt();
        Self { state: seed ^ 0x9e37_79b9_7f4a_7c15, gain, last: 0.0 }
    }

    /// Overwrites `out` with what comes next.
    pub fn fill(&mut self, out: &mut [i16]) {
        for sample in out {
            // A linear congruential generator modulo 2^64 (Knuth); its upper bits are the good ones.
            self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let even = (self.state >> 32) as u32 as i32 as f32 / 2_147_483_648.0;
            self.last = even * self.gain + self.last * TILT;
            *sample = self.last.round() as i16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(samples: &[i16]) -> f64 {
        let mean = samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64;
        10.0 * (mean / 32_768f64.powi(2)).log10()
    }

    #[test]
    fn noise_has_its_level_and_no_offset() {
        for wanted in [20, 40, 60] {
            let mut samples = vec![0; 80_000];
            ComfortNoise::new(wanted, 1).fill(&mut samples);
            assert!((level(&samples) + f64::from(wanted)).abs() < 0.5, "{} dBov", level(&samples));
            let mean = samples.iter().map(|s| f64::from(*s)).sum::<f64>() / samples.len() as f64;
            assert!(mean.abs() < 32_768.0 * 10f64.powf(-f64::from(wanted) / 20.0) * 0.05, "{mean}");
        }
        let mut samples = [1; 160];
        ComfortNoise::new(127, 1).fill(&mut samples);
        assert_eq!(samples, [0; 160]);
    }

    #[test]
    fn noise_replays_from_its_seed() {
        let of = |seed| {
            let mut samples = [0; 160];
            ComfortNoise::new(40, seed).fill(&mut samples);
            samples
        };
        assert_eq!(of(5), of(5));
        assert_ne!(of(5), of(6));
    }

    #[test]
    fn noise_does_not_repeat_within_a_second() {
        let mut samples = vec![0; 8_000];
        ComfortNoise::new(40, 9).fill(&mut samples);
        let energy: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum();
        for lag in 40..4_000 {
            let alike: f64 = samples.iter().zip(&samples[lag..]).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            assert!(alike < energy * 0.1, "lag {lag}");
        }
    }
}
