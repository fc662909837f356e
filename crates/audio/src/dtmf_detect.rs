//! DTMF in the voice of a phone that does not send telephone-events (ITU-T Q.23 and Q.24).
//!
//! Goertzel filters at the eight frequencies over windows of 12.75 ms, one every 6.4 ms.

use crate::tone::{DTMF_COLUMNS, DTMF_KEYS, DTMF_ROWS};
use std::f64::consts::TAU;

/// Samples per second.
const RATE: f64 = 8_000.0;
/// Samples of a window: long enough to tell 697 Hz from 770 Hz, short enough to accept what is
/// 1.5 % off (Q.24).
const WINDOW: usize = 102;
/// Windows with the same key before it counts: together 32 ms, which 40 ms of tone always contain
/// (Q.24) and less than 26 ms never.
const ON: u8 = 4;
/// Windows without the key before it can be pressed again: so are 40 ms of pause, while a dropout of
/// 10 ms is none.
const OFF: u8 = 4;
/// The least peak of either tone, 38 dB below the loudest sine.
const LEAST_PEAK: f32 = 400.0;
/// How much louder the upper tone may be: 8 dB (Q.24).
const TWIST: f32 = 6.31;
/// How much louder the lower tone may be: 6 dB, of which Q.24 asks for 4.
const REVERSE_TWIST: f32 = 3.98;
/// How much louder than the other tones of its group a tone must be: 8 dB.
const ABOVE_OTHERS: f32 = 6.31;
/// The part of all energy that both tones must have; speech and music do not.
const PURITY: f32 = 0.6;

/// Eight filters over one window.
#[derive(Clone, Debug)]
struct Bank {
    states: [(f32, f32); 8],
    energy: f32,
    count: usize,
}

impl Bank {
    fn starting_at(count: usize) -> Self {
        Self { states: [(0.0, 0.0); 8], energy: 0.0, count }
    }

    /// Takes a sample; tells the key, if any, when a window is full.
    fn push(&mut self, sample: f32, coefficients: &[f32; 8]) -> Option<Option<char>> {
        self.energy += sample * sample;
        for ((last, before), coefficient) in self.states.iter_mut().zip(coefficients) {
            (*last, *before) = (sample + coefficient * *last - *before, *last);
        }
        self.count += 1;
        (self.count == WINDOW).then(|| {
            let key = self.key(coefficients);
            *self = Self::starting_at(0);
            key
        })
    }

    fn key(&self, coefficients: &[f32; 8]) -> Option<char> {
        let mut power = [0.0; 8];
        for ((power, (last, before)), coefficient) in power.iter_mut().zip(&self.states).zip(coefficients) {
            *power = last * last + before * before - coefficient * last * before;
        }
        let (row, low) = strongest(&power[..4])?;
        let (column, high) = strongest(&power[4..])?;
        // A sine of peak p over n samples has the power (p·n/2)² and the energy p²·n/2.
        let half = WINDOW as f32 / 2.0;
        let least = (LEAST_PEAK * half).powi(2);
        let loud = low >= least && high >= least;
        let level = high <= low * TWIST && low <= high * REVERSE_TWIST;
        let pure = low + high >= PURITY * self.energy * half;
        (loud && level && pure).then(|| DTMF_KEYS[row][column])
    }
}

/// The one that stands out from its group.
fn strongest(group: &[f32]) -> Option<(usize, f32)> {
    let (at, most) = group.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let alone = group.iter().enumerate().all(|(n, power)| n == at || power * ABOVE_OTHERS <= most);
    alone.then_some((at, most))
}

/// A detector for one voice at 8 kHz.
#[derive(Clone, Debug)]
pub struct Detector {
    coefficients: [f32; 8],
    banks: [Bank; 2],
    /// The key of the latest windows and how many of them there were.
    candidate: Option<char>,
    run: u8,
    /// The key that was told and has not been released.
    pressed: Option<char>,
    misses: u8,
}

impl Default for Detector {
    fn default() -> Self {
        Self::new()
    }
}

impl Detector {
    /// A detector that has heard nothing.
    pub fn new() -> Self {
        let mut coefficients = [0.0; 8];
        for (coefficient, frequency) in coefficients.iter_mut().zip(DTMF_ROWS.iter().chain(&DTMF_COLUMNS)) {
            *coefficient = (2.0 * (TAU * frequency / RATE).cos()) as f32;
        }
        let banks = [Bank::starting_at(0), Bank::starting_at(WINDOW / 2)];
        Self { coefficients, banks, candidate: None, run: 0, pressed: None, misses: 0 }
    }

    /// Takes samples of 8 kHz and tells a key once, about 40 ms after it was pressed. No more than
    /// 60 ms at a time: of several keys within `samples` only the first is told.
    pub fn push(&mut self, samples: &[i16]) -> Option<char> {
        let mut told = None;
        for sample in samples {
            let sample = f32::from(*sample);
            for bank in 0..self.banks.len() {
                if let Some(key) = self.banks[bank].push(sample, &self.coefficients) {
                    told = told.or(self.window(key));
                }
            }
        }
        told
    }

    fn window(&mut self, key: Option<char>) -> Option<char> {
        self.run = if key == self.candidate { self.run.saturating_add(1) } else { 1 };
        self.candidate = key;
        self.misses = if key.is_some() && key == self.pressed { 0 } else { self.misses.saturating_add(1) };
        if self.misses >= OFF {
            self.pressed = None;
        }
        if key.is_some() && self.run >= ON && key != self.pressed {
            self.pressed = key;
            self.misses = 0;
            return key;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        noise::ComfortNoise,
        prompt,
        tone::{Dtmf, KeyPress, Sine},
    };

    const KEYS: &str = "123A456B789C*0#D";

    /// Hears `samples` in frames of 20 ms, beginning `skew` samples early.
    fn heard(samples: &[i16], skew: usize) -> String {
        let mut detector = Detector::new();
        let mut keys: Vec<char> = detector.push(&vec![0; skew]).into_iter().collect();
        keys.extend(samples.chunks(160).filter_map(|frame| detector.push(frame)));
        keys.into_iter().collect()
    }

    fn press(into: &mut Vec<i16>, key: char, amplitude: i16, on: u32, off: u32) {
        let mut press = KeyPress::new(key, amplitude, 8_000, on, off).expect("a key");
        let mut sample = [0];
        while press.fill(&mut sample) > 0 {
            into.push(sample[0]);
        }
    }

    fn tones(low: f64, high: f64, low_peak: i16, high_peak: i16, milliseconds: usize) -> Vec<i16> {
        let mut samples = vec![0; milliseconds * 8];
        Dtmf::of(low, high, low_peak, high_peak, 8_000).fill(&mut samples);
        samples.resize(samples.len() + 800, 0);
        samples
    }

    #[test]
    fn every_key_is_told_once_whatever_its_length_and_place() {
        for (on, off) in [(45, 45), (60, 40), (100, 100), (1_500, 60)] {
            for skew in 0..51 {
                let mut samples = Vec::new();
                for key in KEYS.chars() {
                    press(&mut samples, key, 5_800, on, off);
                }
                assert_eq!(heard(&samples, skew), KEYS, "{on} ms and {off} ms, skew {skew}");
            }
        }
    }

    #[test]
    fn the_same_key_twice_is_told_twice() {
        for skew in 0..51 {
            let mut samples = Vec::new();
            for _ in 0..5 {
                press(&mut samples, '7', 5_800, 45, 45);
            }
            assert_eq!(heard(&samples, skew), "77777", "skew {skew}");
        }
    }

    #[test]
    fn forty_milliseconds_are_a_key_and_twenty_are_not() {
        for skew in 0..51 {
            assert_eq!(heard(&tones(770.0, 1_336.0, 5_800, 5_800, 40), skew), "5", "skew {skew}");
            assert_eq!(heard(&tones(770.0, 1_336.0, 5_800, 5_800, 20), skew), "", "skew {skew}");
        }
    }

    #[test]
    fn a_dropout_does_not_press_again() {
        let mut samples = tones(770.0, 1_336.0, 5_800, 5_800, 200);
        samples[800..880].fill(0);
        for skew in 0..51 {
            assert_eq!(heard(&samples, skew), "5", "skew {skew}");
        }
    }

    #[test]
    fn frequencies_may_be_off_by_a_percent_and_a_half_but_not_by_seven() {
        for (row, low) in DTMF_ROWS.iter().enumerate() {
            for (column, high) in DTMF_COLUMNS.iter().enumerate() {
                for off in [0.985, 1.015] {
                    let key = heard(&tones(low * off, high * off, 5_800, 5_800, 60), 17);
                    assert_eq!(key, DTMF_KEYS[row][column].to_string(), "{low} and {high} Hz times {off}");
                }
            }
        }
        assert_eq!(heard(&tones(697.0 * 0.93, 1_209.0, 5_800, 5_800, 100), 17), "");
        assert_eq!(heard(&tones(941.0, 1_633.0 * 1.07, 5_800, 5_800, 100), 17), "");
    }

    #[test]
    fn twist_has_its_limits() {
        let louder = |decibels: f64| (2_000.0 * 10f64.powf(decibels / 20.0)) as i16;
        assert_eq!(heard(&tones(770.0, 1_477.0, 2_000, louder(7.5), 60), 3), "6");
        assert_eq!(heard(&tones(770.0, 1_477.0, louder(5.5), 2_000, 60), 3), "6");
        assert_eq!(heard(&tones(770.0, 1_477.0, 2_000, louder(10.0), 60), 3), "");
        assert_eq!(heard(&tones(770.0, 1_477.0, louder(8.0), 2_000, 60), 3), "");
    }

    #[test]
    fn level_has_its_limits() {
        assert_eq!(heard(&tones(852.0, 1_336.0, 16_000, 16_000, 60), 3), "8");
        assert_eq!(heard(&tones(852.0, 1_336.0, 500, 500, 60), 3), "8");
        assert_eq!(heard(&tones(852.0, 1_336.0, 300, 300, 60), 3), "");
    }

    #[test]
    fn keys_are_heard_over_noise() {
        let mut samples = Vec::new();
        for key in KEYS.chars() {
            press(&mut samples, key, 5_800, 80, 80);
        }
        // The tones together are −15 dBov: 15 dB above the noise.
        let mut noise = vec![0; samples.len()];
        ComfortNoise::new(30, 7).fill(&mut noise);
        crate::mix::add(&mut samples, &noise);
        assert_eq!(heard(&samples, 3), KEYS);
    }

    #[test]
    fn noise_prompts_and_single_tones_are_no_keys() {
        let mut noise = vec![0; 8_000 * 60];
        ComfortNoise::new(12, 3).fill(&mut noise);
        assert_eq!(heard(&noise, 0), "");
        assert_eq!(heard(&prompt::greeting(), 0), "");
        for frequency in (200..3_600).step_by(20) {
            let mut samples = vec![0; 1_600];
            Sine::new(f64::from(frequency), 12_000, 8_000).fill(&mut samples);
            assert_eq!(heard(&samples, 0), "", "{frequency} Hz");
        }
    }

    #[test]
    fn dial_ringing_and_busy_tones_are_no_keys() {
        for (low, high) in [(350.0, 440.0), (440.0, 480.0), (480.0, 620.0), (425.0, 425.0), (950.0, 1_400.0)] {
            assert_eq!(heard(&tones(low, high, 5_800, 5_800, 500), 0), "", "{low} and {high} Hz");
        }
    }

    #[test]
    fn harmonic_voices_are_no_keys() {
        // A pulse train through one resonance, its pitch gliding: a vowel as a machine says it.
        for formant in [500.0, 700.0, 850.0, 1_200.0, 1_400.0] {
            let mut samples = Vec::new();
            let (mut phase, mut last, mut before) = (0.0f64, 0.0f64, 0.0f64);
            let (radius, angle) = (0.96f64, TAU * formant / RATE);
            for n in 0..8_000 * 8 {
                phase += (90.0 + 160.0 * f64::from(n) / 64_000.0) / RATE;
                let pulse = if phase >= 1.0 { 4_000.0 } else { 0.0 };
                phase = phase.fract();
                let next = pulse + 2.0 * radius * angle.cos() * last - radius * radius * before;
                (last, before) = (next, last);
                samples.push(next.clamp(-32_000.0, 32_000.0) as i16);
            }
            assert_eq!(heard(&samples, 0), "", "formant at {formant} Hz");
        }
    }
}
