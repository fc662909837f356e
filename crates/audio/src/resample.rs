//! Between the sampling rates of telephony and WebRTC: 8, 16 and 48 kHz, by a polyphase filter.

use std::f64::consts::PI;

/// Samples of the lower rate that the filter sees: 3 ms at 8 kHz, of which half is its delay.
const TAPS: usize = 24;
/// The greatest ratio of both rates.
const RATIO: usize = 6;
/// Samples that are taken at once.
const CHUNK: usize = 480;
/// The samples before that the filter still sees.
const HISTORY: usize = TAPS * RATIO;
/// Where the filter is at half, as a part of the lower rate's band: of 4 kHz, 3.9 kHz. Up to 0.85
/// of the band nothing is lost, and beyond 1.15 of it nothing is left.
const CUTOFF: f64 = 0.97;
/// The window's shape (Kaiser): 60 dB.
const BETA: f64 = 5.65;

/// Converts one voice from a rate to another.
#[derive(Clone, Debug)]
pub struct Resampler {
    from: usize,
    to: usize,
    /// Of each phase the taps, oldest sample first, in 1/32768. Downwards there is one phase of all.
    filter: [i16; TAPS * RATIO],
    buffer: [i16; HISTORY + CHUNK],
    /// Downwards: the samples that came since the last one went.
    phase: usize,
}

impl Resampler {
    /// A converter between two of 8,000, 16,000 and 48,000 Hz, which may be the same; `None` for
    /// other rates. Its delay is 1.5 ms when the lower rate is 8 kHz and 0.75 ms when it is 16 kHz.
    pub fn new(from: u32, to: u32) -> Option<Self> {
        let known = |rate| matches!(rate, 8_000 | 16_000 | 48_000);
        if !known(from) || !known(to) {
            return None;
        }
        let (from, to) = ((from / 8_000) as usize, (to / 8_000) as usize);
        let (from, to) = if from.min(to) == 2 { (from / 2, to / 2) } else { (from, to) };
        let mut filter = [0; TAPS * RATIO];
        let ratio = from.max(to);
        for phase in 0..to {
            design(&mut filter[phase * TAPS..], phase, to, ratio);
        }
        Some(Self { from, to, filter, buffer: [0; HISTORY + CHUNK], phase: 0 })
    }

    /// Converts `input`, the continuation of what came before, into `out`; returns the samples
    /// written. `out` needs room for the input's length times both rates' ratio, rounded up; what
    /// has no room is lost.
    pub fn process(&mut self, input: &[i16], out: &mut [i16]) -> usize {
        if self.from == self.to {
            let count = input.len().min(out.len());
            out[..count].copy_from_slice(&input[..count]);
            return count;
        }
        let mut written = 0;
        for chunk in input.chunks(CHUNK) {
            self.buffer[HISTORY..HISTORY + chunk.len()].copy_from_slice(chunk);
            let room = &mut out[written..];
            written += if self.to > self.from { self.up(chunk.len(), room) } else { self.down(chunk.len(), room) };
            self.buffer.copy_within(chunk.len()..HISTORY + chunk.len(), 0);
        }
        written
    }

    fn up(&self, count: usize, out: &mut [i16]) -> usize {
        let ratio = self.to;
        let written = (count * ratio).min(out.len());
        for (n, outs) in out[..written].chunks_mut(ratio).enumerate() {
            let newest = HISTORY + n + 1;
            let seen = &self.buffer[newest - TAPS..newest];
            for (out, taps) in outs.iter_mut().zip(self.filter.chunks_exact(TAPS)) {
                *out = product(seen, taps);
            }
        }
        written
    }

    fn down(&mut self, count: usize, out: &mut [i16]) -> usize {
        let ratio = self.from;
        let taps = &self.filter[..TAPS * ratio];
        let mut written = 0;
        let mut newest = HISTORY + ratio - self.phase;
        while newest <= HISTORY + count {
            if let Some(out) = out.get_mut(written) {
                *out = product(&self.buffer[newest - taps.len()..newest], taps);
                written += 1;
            }
            newest += ratio;
        }
        self.phase = (self.phase + count) % ratio;
        written
    }
}

/// The taps of one phase of `phases`, or of the whole filter when there is one.
fn design(taps: &mut [i16], phase: usize, phases: usize, ratio: usize) {
    let all = TAPS * ratio;
    let count = all / phases;
    let center = (all - 1) as f64 / 2.0;
    let weight = |n: usize| {
        let at = n as f64 - center;
        let angle = PI * at * CUTOFF / ratio as f64;
        let sinc = if angle == 0.0 { 1.0 } else { angle.sin() / angle };
        let edge = at / (center + 1.0);
        sinc * bessel(BETA * (1.0 - edge * edge).sqrt())
    };
    // The newest sample has the first place of the impulse response.
    let place = |tap: usize| phase + phases * (count - 1 - tap);
    // Each phase passes a constant unchanged.
    let sum: f64 = (0..count).map(|tap| weight(place(tap))).sum();
    for (tap, value) in taps[..count].iter_mut().enumerate() {
        *value = (weight(place(tap)) / sum * 32_768.0).round().min(32_767.0) as i16;
    }
}

/// The modified Bessel function of the first kind and order 0.
fn bessel(x: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for n in 1..32 {
        term *= (x / (2.0 * f64::from(n))).powi(2);
        sum += term;
    }
    sum
}

fn product(samples: &[i16], taps: &[i16]) -> i16 {
    // The taps' magnitudes sum to less than twice a constant's gain, so that 32 bits are enough.
    let sum: i32 = samples.iter().zip(taps).map(|(sample, tap)| i32::from(*sample) * i32::from(*tap)).sum();
    ((sum + (1 << 14)) >> 15).clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{noise::ComfortNoise, tone::Sine};

    const RATES: [(u32, u32); 6] =
        [(8_000, 16_000), (16_000, 8_000), (16_000, 48_000), (48_000, 16_000), (8_000, 48_000), (48_000, 8_000)];

    fn converted(from: u32, to: u32, frequency: f64) -> Vec<i16> {
        let mut input = vec![0; from as usize];
        Sine::new(frequency, 10_000, from).fill(&mut input);
        let mut out = vec![0; to as usize];
        assert_eq!(Resampler::new(from, to).expect("known rates").process(&input, &mut out), out.len());
        out
    }

    /// The level of `frequency` and that of all the rest, in dB against a sine of 10,000.
    fn levels(samples: &[i16], frequency: f64, rate: u32) -> (f64, f64) {
        let settled = &samples[samples.len() / 10..samples.len() / 10 * 9];
        let half = settled.len() as f64 / 2.0;
        let (mut cos, mut sin, mut energy) = (0.0, 0.0, 0.0);
        for (n, sample) in settled.iter().enumerate() {
            let angle = 2.0 * PI * frequency * n as f64 / f64::from(rate);
            cos += f64::from(*sample) * angle.cos();
            sin += f64::from(*sample) * angle.sin();
            energy += f64::from(*sample).powi(2);
        }
        let power = (cos * cos + sin * sin) / half;
        let full = 10_000f64.powi(2) * half;
        (10.0 * (power / full).log10(), 10.0 * ((energy - power).max(1.0) / full).log10())
    }

    #[test]
    fn tones_keep_their_level_and_have_no_images() {
        for (from, to) in RATES {
            let low = f64::from(from.min(to));
            for part in [0.05, 0.125, 0.25, 0.375, 0.4] {
                let (tone, rest) = levels(&converted(from, to, low * part), low * part, to);
                assert!(tone.abs() < 0.2, "{from} to {to}, {} Hz: {tone:.2} dB", low * part);
                assert!(rest < -50.0, "{from} to {to}, {} Hz: the rest {rest:.1} dB", low * part);
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_gone() {
        for (from, to) in [(16_000, 8_000), (48_000, 16_000), (48_000, 8_000)] {
            for part in [0.6, 0.7, 0.8, 0.95] {
                let frequency = f64::from(to) * part;
                let out = converted(from, to, frequency);
                let settled = &out[out.len() / 10..];
                let mean = settled.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / settled.len() as f64;
                let level = 10.0 * (mean / (10_000f64.powi(2) / 2.0)).max(1e-12).log10();
                assert!(level < -50.0, "{from} to {to}, {frequency} Hz: {level:.1} dB");
            }
        }
    }

    #[test]
    fn frames_continue_each_other_whatever_their_length() {
        for (from, to) in RATES {
            let mut input = vec![0; 4_800];
            ComfortNoise::new(20, 1).fill(&mut input);
            let mut whole = vec![0; 4_800 * 6];
            let count = Resampler::new(from, to).expect("known rates").process(&input, &mut whole);
            for length in [1, 7, 160, 481, 960] {
                let mut resampler = Resampler::new(from, to).expect("known rates");
                let mut out = vec![0; 960 * 6];
                let mut parts = Vec::new();
                for frame in input.chunks(length) {
                    let written = resampler.process(frame, &mut out);
                    parts.extend_from_slice(&out[..written]);
                }
                assert!(parts == whole[..count], "{from} to {to} in frames of {length}");
            }
        }
    }

    #[test]
    fn loud_input_saturates_and_a_constant_stays() {
        for (from, to) in RATES {
            let mut out = vec![0; 9_600];
            let mut resampler = Resampler::new(from, to).expect("known rates");
            let square: Vec<i16> = (0..1_600).map(|n| if n / 8 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
            resampler.process(&square, &mut out);
            let count = resampler.process(&[5_000; 1_600], &mut out);
            assert!(out[count / 2..count].iter().all(|sample| (sample - 5_000).abs() <= 4), "{from} to {to}");
        }
    }

    #[test]
    fn rates_that_are_not_known_are_refused_and_equal_ones_copy() {
        assert!(Resampler::new(44_100, 48_000).is_none());
        assert!(Resampler::new(8_000, 0).is_none());
        let mut out = [0; 2];
        assert_eq!(Resampler::new(8_000, 8_000).expect("known rates").process(&[1, 2, 3], &mut out), 2);
        assert_eq!(out, [1, 2]);
    }

    #[test]
    fn what_has_no_room_is_lost_without_harm() {
        for (from, to) in RATES {
            let mut resampler = Resampler::new(from, to).expect("known rates");
            let mut out = [0; 5];
            assert_eq!(resampler.process(&[1; 960], &mut out), 5);
            assert_eq!(resampler.process(&[1; 960], &mut []), 0);
        }
    }
}
