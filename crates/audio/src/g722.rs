//! G.722 at 64 kbit/s (ITU-T G.722, mode 1): 16 kHz PCM, two samples to a byte.
//!
//! A pair of quadrature mirror filters halves the band; each half is coded by ADPCM with an
//! adaptive quantiser and a predictor of two poles and six zeros: 6 bits for the lower half, 2 for
//! the upper. Names in capitals are the blocks of clause 6 of the recommendation.

/// Coefficients of the quadrature mirror filters, in 1/8192. The filter of 24 taps
/// is symmetric: these are every other one, the rest are the same backwards.
const QMF: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

/// Decision levels of the 6-bit quantiser, by magnitude.
const LEVELS_6: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339,
    1458, 1612, 1765, 1980, 2195, 2557, 2919,
];
/// The decision level of the 2-bit quantiser.
const LEVEL_2: i32 = 564;

/// Output of the inverse 6-bit quantiser by code.
const OUTPUT_6: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576,
    -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040,
    -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
    4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];
/// Output of the inverse 4-bit quantiser, which drives the adaptation.
const OUTPUT_4: [i32; 16] =
    [0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0];
/// Output of the inverse 2-bit quantiser.
const OUTPUT_2: [i32; 4] = [-7408, -1616, 7408, 1616];

/// What a 4-bit code does to the logarithm of the lower step (WL over RL42).
const STEP_LOW: [i32; 16] = [-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60];
/// What a 2-bit code does to the logarithm of the upper step (WH over RH2).
const STEP_HIGH: [i32; 4] = [798, -214, 798, -214];

/// 2^(n/32) in 1/2048.
const EXPONENTIAL: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025,
    3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];

fn saturate(value: i32) -> i32 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
}

/// A product in which `factor` is a fraction of 2^15.
fn scaled(value: i32, factor: i32) -> i32 {
    (value * factor) >> 15
}

/// The quantiser's step and predictor of one half of the band.
#[derive(Clone, Debug)]
struct Band {
    /// The step's logarithm.
    log: i32,
    log_limit: i32,
    /// The step.
    step: i32,
    shift: i32,
    /// What is predicted, by all and by the zeros alone.
    predicted: i32,
    by_zeros: i32,
    poles: [i32; 2],
    zeros: [i32; 6],
    /// The latest reconstructed signals.
    signals: [i32; 2],
    /// The latest differences, newest first.
    differences: [i32; 6],
    /// Whether the latest sums of difference and zeros' prediction were negative.
    negative: [bool; 2],
}

impl Band {
    fn new(step: i32, log_limit: i32, shift: i32) -> Self {
        Self {
            log: 0,
            log_limit,
            step,
            shift,
            predicted: 0,
            by_zeros: 0,
            poles: [0; 2],
            zeros: [0; 6],
            signals: [0; 2],
            differences: [0; 6],
            negative: [false; 2],
        }
    }

    fn low() -> Self {
        Self::new(32, 18_432, 8)
    }

    fn high() -> Self {
        Self::new(8, 22_528, 10)
    }

    /// LOGSCL, SCALEL and their likes of the upper half.
    fn adapt_step(&mut self, change: i32) {
        self.log = (((self.log * 127) >> 7) + change).clamp(0, self.log_limit);
        let mantissa = EXPONENTIAL[(self.log >> 6) as usize & 31];
        let shift = self.shift - (self.log >> 11);
        self.step = if shift < 0 { mantissa << -shift } else { mantissa >> shift } << 2;
    }

    /// Block 4: takes the quantised difference and predicts the next sample.
    fn predict(&mut self, difference: i32) {
        let signal = saturate(self.predicted + difference);
        let sum = saturate(self.by_zeros + difference);
        let sign = sum < 0;

        // UPPOL2
        let lead = saturate(self.poles[0] << 2);
        let lead = if sign == self.negative[0] { saturate(-lead) } else { lead };
        let leak = if sign == self.negative[1] { 128 } else { -128 };
        let second = ((lead >> 7) + leak + scaled(self.poles[1], 32_512)).clamp(-12_288, 12_288);
        // UPPOL1
        let pull = if sign == self.negative[0] { 192 } else { -192 };
        let limit = saturate(15_360 - second);
        let first = saturate(pull + scaled(self.poles[0], 32_640)).clamp(-limit, limit);
        self.poles = [first, second];

        // UPZERO
        let pull = if difference == 0 { 0 } else { 128 };
        for (zero, earlier) in self.zeros.iter_mut().zip(&self.differences) {
            let toward = if (difference < 0) == (*earlier < 0) { pull } else { -pull };
            *zero = saturate(toward + scaled(*zero, 32_640));
        }

        // DELAYA
        self.negative = [sign, self.negative[0]];
        self.signals = [signal, self.signals[0]];
        self.differences.copy_within(..5, 1);
        self.differences[0] = difference;

        // FILTEP, FILTEZ, PREDIC
        let by_poles: i32 = self.signals.iter().zip(&self.poles).map(|(s, p)| scaled(saturate(s * 2), *p)).sum();
        let by_zeros: i32 = self.differences.iter().zip(&self.zeros).map(|(d, z)| scaled(saturate(d * 2), *z)).sum();
        self.by_zeros = saturate(by_zeros);
        self.predicted = saturate(saturate(by_poles) + self.by_zeros);
    }

    /// Adapts the lower half to the upper four bits of its code.
    fn follow_low(&mut self, code: usize) {
        let difference = scaled(self.step, OUTPUT_4[code]);
        self.adapt_step(STEP_LOW[code]);
        self.predict(difference);
    }

    /// Adapts the upper half to its code; returns the quantised difference.
    fn follow_high(&mut self, code: usize) -> i32 {
        let difference = scaled(self.step, OUTPUT_2[code]);
        self.adapt_step(STEP_HIGH[code]);
        self.predict(difference);
        difference
    }
}

/// The 24 latest values of a quadrature mirror filter.
#[derive(Clone, Debug)]
struct Mirror([i32; 24]);

impl Mirror {
    /// Takes two more values; returns the sums over those at even and at odd places.
    fn push(&mut self, first: i32, second: i32) -> (i32, i32) {
        self.0.copy_within(2.., 0);
        self.0[22] = first;
        self.0[23] = second;
        let (mut even, mut odd) = (0, 0);
        for (n, pair) in self.0.chunks_exact(2).enumerate() {
            even += pair[0] * QMF[n];
            odd += pair[1] * QMF[11 - n];
        }
        (even, odd)
    }
}

/// An encoder of 16 kHz PCM.
#[derive(Clone, Debug)]
pub struct Encoder {
    low: Band,
    high: Band,
    mirror: Mirror,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// An encoder that has heard nothing.
    pub fn new() -> Self {
        Self { low: Band::low(), high: Band::high(), mirror: Mirror([0; 24]) }
    }

    /// Encodes pairs of samples into `out`, one byte each; returns the bytes. It stops at the end of
    /// either; an odd last sample is left out.
    pub fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> usize {
        let pairs = samples.chunks_exact(2);
        let count = pairs.len().min(out.len());
        for (pair, byte) in pairs.zip(out.iter_mut()) {
            let (even, odd) = self.mirror.push(i32::from(pair[0]), i32::from(pair[1]));
            *byte = self.encode_low((odd + even) >> 14) | (self.encode_high((odd - even) >> 14) << 6);
        }
        count
    }

    fn encode_low(&mut self, sample: i32) -> u8 {
        let difference = saturate(sample - self.low.predicted);
        // QUANTL: for negative ones the one's complement.
        let magnitude = if difference < 0 { !difference } else { difference };
        let step = self.low.step;
        let interval = LEVELS_6.partition_point(|level| (level * step) >> 12 <= magnitude) as u8;
        let code = match (difference < 0, interval) {
            (false, _) => 61 - interval,
            (true, 0 | 1) => 63 - interval,
            (true, _) => 33 - interval,
        };
        self.low.follow_low(usize::from(code >> 2));
        code
    }

    fn encode_high(&mut self, sample: i32) -> u8 {
        let difference = saturate(sample - self.high.predicted);
        let magnitude = if difference < 0 { !difference } else { difference };
        let far = magnitude >= (LEVEL_2 * self.high.step) >> 12;
        let code = match (difference < 0, far) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        };
        self.high.follow_high(usize::from(code));
        code
    }
}

/// A decoder to 16 kHz PCM.
#[derive(Clone, Debug)]
pub struct Decoder {
    low: Band,
    high: Band,
    mirror: Mirror,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder that has heard nothing.
    pub fn new() -> Self {
        Self { low: Band::low(), high: Band::high(), mirror: Mirror([0; 24]) }
    }

    /// Decodes bytes into `out`, two samples each; returns the samples. It stops at the end of
    /// either. Any byte is valid.
    pub fn decode(&mut self, bytes: &[u8], out: &mut [i16]) -> usize {
        let count = bytes.len().min(out.len() / 2);
        for (byte, pair) in bytes.iter().zip(out.chunks_exact_mut(2)) {
            let low = usize::from(byte & 0x3f);
            let high = usize::from(byte >> 6);
            let lower = (self.low.predicted + scaled(self.low.step, OUTPUT_6[low])).clamp(-16_384, 16_383);
            self.low.follow_low(low >> 2);
            let predicted = self.high.predicted;
            let upper = (predicted + self.high.follow_high(high)).clamp(-16_384, 16_383);
            let (even, odd) = self.mirror.push(lower + upper, lower - upper);
            pair[0] = saturate(odd >> 11) as i16;
            pair[1] = saturate(even >> 11) as i16;
        }
        count * 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{noise::ComfortNoise, tone::Sine};

    fn through(samples: &[i16]) -> Vec<i16> {
        let mut bytes = vec![0; samples.len() / 2];
        assert_eq!(Encoder::new().encode(samples, &mut bytes), bytes.len());
        let mut out = vec![0; samples.len()];
        assert_eq!(Decoder::new().decode(&bytes, &mut out), out.len());
        out
    }

    fn sine(frequency: f64, amplitude: i16) -> Vec<i16> {
        let mut samples = vec![0; 16_000];
        Sine::new(frequency, amplitude, 16_000).fill(&mut samples);
        samples
    }

    /// The ratio of signal to error in dB, after both filters' delay and some time to adapt.
    fn quality(samples: &[i16], decoded: &[i16]) -> f64 {
        const DELAY: usize = 22;
        let (mut signal, mut error) = (0.0, 0.0);
        for (sent, got) in samples.iter().zip(&decoded[DELAY..]).skip(1_600) {
            signal += f64::from(*sent).powi(2);
            error += (f64::from(*sent) - f64::from(*got)).powi(2);
        }
        10.0 * (signal / error.max(1.0)).log10()
    }

    #[test]
    fn tones_keep_their_quality() {
        // The upper half of the band has 2 bits per sample, and the filters overlap at 4 kHz.
        for (frequency, least) in [
            (300.0, 40.0),
            (700.0, 40.0),
            (1_000.0, 40.0),
            (2_000.0, 35.0),
            (3_000.0, 35.0),
            (5_000.0, 20.0),
            (6_000.0, 20.0),
        ] {
            let samples = sine(frequency, 10_000);
            let quality = quality(&samples, &through(&samples));
            assert!(quality > least, "{quality:.1} dB at {frequency} Hz");
        }
    }

    /// FNV-1a of 64 bits.
    fn digest(bytes: impl Iterator<Item = u8>) -> u64 {
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    }

    /// One second of a signal made of integers alone, as the C libraries behind PyPI's `G722` 1.2.8
    /// and FFmpeg 5.1 encode it and the former decodes it, to the bit.
    #[test]
    fn it_agrees_with_other_implementations() {
        let wild = |n: i64| if n < 0 { 0 } else { (n * n * 7) % 20_001 - 10_000 };
        let samples: Vec<i16> =
            (0..16_000i64).map(|n| (0..8).map(|back| wild(n - back)).sum::<i64>().div_euclid(8) as i16).collect();
        let mut bytes = vec![0; 8_000];
        Encoder::new().encode(&samples, &mut bytes);
        let first = [0x3a, 0x9e, 0x2e, 0xce, 0xa0, 0x84, 0x04, 0x84, 0x44, 0x04, 0x8d, 0x0e, 0xd0, 0xd1, 0xd2, 0xd4];
        assert_eq!(bytes[..16], first);
        assert_eq!(digest(bytes.iter().copied()), 0x2f7f_2b24_e9d5_61bb);
        let mut decoded = vec![0; 16_000];
        Decoder::new().decode(&bytes, &mut decoded);
        assert_eq!(digest(decoded.iter().flat_map(|sample| sample.to_le_bytes())), 0xd072_ca32_b31c_5ff8);
    }

    #[test]
    fn silence_stays_silent() {
        assert!(through(&[0; 3_200]).iter().all(|sample| sample.abs() <= 8));
    }

    #[test]
    fn frames_continue_each_other() {
        let samples = sine(440.0, 8_000);
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
        let mut decoded = Vec::new();
        for frame in samples.chunks(320) {
            let mut bytes = [0; 160];
            let mut out = [0; 320];
            let count = encoder.encode(frame, &mut bytes);
            let count = decoder.decode(&bytes[..count], &mut out);
            decoded.extend_from_slice(&out[..count]);
        }
        assert_eq!(decoded, through(&samples));
    }

    #[test]
    fn nothing_overflows() {
        let mut noise = vec![0; 32_000];
        ComfortNoise::new(0, 4).fill(&mut noise);
        through(&noise);
        let square: Vec<i16> = (0..32_000).map(|n| if n / 20 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        through(&square);
        let mut decoder = Decoder::new();
        let mut out = [0; 2];
        let mut state = 1u32;
        for _ in 0..200_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            decoder.decode(&[(state >> 24) as u8], &mut out);
        }
        for byte in 0..=255 {
            for _ in 0..500 {
                decoder.decode(&[byte], &mut out);
            }
        }
    }

    #[test]
    fn it_stops_at_the_end_of_either_slice() {
        let mut bytes = [0; 4];
        assert_eq!(Encoder::new().encode(&[1; 5], &mut bytes), 2);
        assert_eq!(Encoder::new().encode(&[1; 20], &mut bytes), 4);
        let mut out = [0; 5];
        assert_eq!(Decoder::new().decode(&[0xfa; 9], &mut out), 4);
        assert_eq!(Decoder::new().decode(&[0xfa], &mut out), 2);
        assert_eq!(Encoder::new().encode(&[], &mut bytes), 0);
    }
}
