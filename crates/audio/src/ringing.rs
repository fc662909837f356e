//! The ringing tone of most of Europe: 425 Hz, 1 s on and 4 s off (ETSI TR 101 041-2, ITU-T E.180).

use crate::tone::Sine;

/// Hz.
const FREQUENCY: f64 = 425.0;
/// About −18 dBm0, at a peak of 3,500 of 32,767.
const AMPLITUDE: i16 = 3_500;
/// Of every five seconds one rings.
const PERIOD_SECONDS: u32 = 5;

/// A ringing tone without end. It begins with the tone.
#[derive(Clone, Debug)]
pub struct Ringing {
    rate: u32,
    /// Samples since the last tone began.
    at: u32,
    sine: Sine,
}

impl Ringing {
    /// For PCM at `rate` Hz.
    pub fn new(rate: u32) -> Self {
        Self { rate: rate.max(1), at: 0, sine: Sine::new(FREQUENCY, AMPLITUDE, rate) }
    }

    /// Overwrites `out` with what comes next.
    pub fn fill(&mut self, out: &mut [i16]) {
        for slot in out {
            if self.at == 0 {
                // It begins at zero, and a whole number of waves later it ends there.
                self.sine = Sine::new(FREQUENCY, AMPLITUDE, self.rate);
            }
            let mut sample = [0];
            if self.at < self.rate {
                self.sine.fill(&mut sample);
            }
            *slot = sample[0];
            self.at = self.at.saturating_add(1);
            if self.at >= self.rate.saturating_mul(PERIOD_SECONDS) {
                self.at = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_second_of_five_rings() {
        for rate in [8_000, 16_000] {
            let mut ringing = Ringing::new(rate);
            let mut second = vec![0_i16; rate as usize];
            for n in 0..11 {
                ringing.fill(&mut second);
                let crossings = second.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
                if n % 5 == 0 {
                    assert!((423..=426).contains(&crossings), "{crossings} waves in second {n}");
                    assert!(second.iter().any(|s| *s > 3_000));
                } else {
                    assert!(second.iter().all(|s| *s == 0), "second {n} is silent");
                }
            }
        }
    }
}
