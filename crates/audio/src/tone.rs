//! Sine and DTMF tones (ITU-T Q.23).

use std::f64::consts::TAU;

/// The lower frequencies of DTMF, by row of the keypad, in Hz (Q.23).
pub const DTMF_ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
/// The upper frequencies of DTMF, by column of the keypad, in Hz (Q.23).
pub const DTMF_COLUMNS: [f64; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
/// The keypad by row and column (Q.23).
pub const DTMF_KEYS: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// How long a key press takes to swell and to fade, so that it does not click.
const RAMP_MILLISECONDS: u32 = 2;

/// A sine that goes on for as long as it is asked for.
#[derive(Clone, Debug)]
pub struct Sine {
    /// A turning pointer, whose height is the sample, and what turns it by one sample.
    pointer: (f64, f64),
    turn: (f64, f64),
}

impl Sine {
    /// A sine of `frequency` Hz and a peak of `amplitude`, for PCM at `rate` Hz.
    pub fn new(frequency: f64, amplitude: i16, rate: u32) -> Self {
        let angle = TAU * frequency / f64::from(rate.max(1));
        Self { pointer: (f64::from(amplitude), 0.0), turn: (angle.cos(), angle.sin()) }
    }

    fn next(&mut self) -> f64 {
        let ((x, y), (cos, sin)) = (self.pointer, self.turn);
        self.pointer = (x * cos - y * sin, x * sin + y * cos);
        y
    }

    /// Overwrites `out` with what comes next.
    pub fn fill(&mut self, out: &mut [i16]) {
        for sample in out {
            *sample = self.next().round() as i16;
        }
    }

    /// Adds what comes next to `sum`, saturating.
    pub fn add(&mut self, sum: &mut [i16]) {
        for sample in sum {
            *sample = sample.saturating_add(self.next().round() as i16);
        }
    }
}

/// The two tones of a key, for as long as they are asked for.
#[derive(Clone, Debug)]
pub struct Dtmf {
    low: Sine,
    high: Sine,
}

impl Dtmf {
    /// The tones of `key` (`0`–`9`, `*`, `#`, `A`–`D` or `a`–`d`), each with a peak of `amplitude`,
    /// at most 16,383; `None` for another key. 5,800 is 15 dB below the loudest sine, a usual level.
    pub fn new(key: char, amplitude: i16, rate: u32) -> Option<Self> {
        let (row, column) = position(key)?;
        Some(Self::of(DTMF_ROWS[row], DTMF_COLUMNS[column], amplitude, amplitude, rate))
    }

    /// Two tones of any frequency and peak: for twisted or detuned keys and for call progress.
    pub fn of(low: f64, high: f64, low_amplitude: i16, high_amplitude: i16, rate: u32) -> Self {
        Self {
            low: Sine::new(low, low_amplitude.clamp(0, 16_383), rate),
            high: Sine::new(high, high_amplitude.clamp(0, 16_383), rate),
        }
    }

    fn next(&mut self) -> f64 {
        self.low.next() + self.high.next()
    }

    /// Overwrites `out` with what comes next.
    pub fn fill(&mut self, out: &mut [i16]) {
        for sample in out {
            *sample = self.next().round() as i16;
        }
    }
}

/// One key press of a given length and the pause after it.
#[derive(Clone, Debug)]
pub struct KeyPress {
    tones: Dtmf,
    at: u32,
    on: u32,
    all: u32,
    ramp: u32,
}

impl KeyPress {
    /// A press of `key` for `on` milliseconds and a pause of `off` milliseconds; see
    /// [`Dtmf::new`].
    pub fn new(key: char, amplitude: i16, rate: u32, on: u32, off: u32) -> Option<Self> {
        let samples = |milliseconds: u32| (rate / 1_000).saturating_mul(milliseconds);
        let on = samples(on);
        let all = on.saturating_add(samples(off));
        let ramp = samples(RAMP_MILLISECONDS).min(on / 2).max(1);
        Some(Self { tones: Dtmf::new(key, amplitude, rate)?, at: 0, on, all, ramp })
    }

    /// Overwrites the beginning of `out` with what comes next; returns the samples written, fewer
    /// than `out` has when the pause is over.
    pub fn fill(&mut self, out: &mut [i16]) -> usize {
        let count = out.len().min((self.all - self.at) as usize);
        for sample in &mut out[..count] {
            let swell = self.at.min(self.on.saturating_sub(self.at + 1)).min(self.ramp);
            *sample = if self.at < self.on {
                (self.tones.next() * f64::from(swell) / f64::from(self.ramp)).round() as i16
            } else {
                0
            };
            self.at += 1;
        }
        count
    }

    /// Whether the pause is over.
    pub fn is_over(&self) -> bool {
        self.at == self.all
    }
}

fn position(key: char) -> Option<(usize, usize)> {
    let key = key.to_ascii_uppercase();
    DTMF_KEYS.iter().enumerate().find_map(|(row, keys)| Some((row, keys.iter().position(|known| *known == key)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sine_keeps_its_level_and_phase_for_an_hour() {
        let mut sine = Sine::new(1_000.0, 10_000, 8_000);
        let mut frame = [0; 160];
        for _ in 0..180_000 {
            sine.fill(&mut frame);
        }
        assert_eq!(frame[..8], [0, 7_071, 10_000, 7_071, 0, -7_071, -10_000, -7_071]);
    }

    #[test]
    fn adding_saturates() {
        let mut sum = [30_000; 8];
        Sine::new(1_000.0, 10_000, 8_000).add(&mut sum);
        assert_eq!(sum[2], i16::MAX);
        assert_eq!(sum[6], 20_000);
    }

    #[test]
    fn a_key_press_has_its_length_and_begins_and_ends_softly() {
        let mut press = KeyPress::new('5', 8_000, 8_000, 100, 50).expect("a key");
        let mut all = Vec::new();
        let mut frame = [0; 160];
        while !press.is_over() {
            let count = press.fill(&mut frame);
            all.extend_from_slice(&frame[..count]);
        }
        assert_eq!(press.fill(&mut frame), 0);
        assert_eq!(all.len(), 1_200);
        assert!(all[800..].iter().all(|sample| *sample == 0));
        assert!(all[0] == 0 && all[1].abs() < 1_000 && all[799] == 0 && all[798].abs() < 2_000);
        assert!(all[..800].iter().any(|sample| *sample > 12_000));
    }

    #[test]
    fn what_is_no_key_has_no_tones() {
        assert!(Dtmf::new('x', 1_000, 8_000).is_none());
        assert!(Dtmf::new('d', 1_000, 8_000).is_some());
        assert!(KeyPress::new(' ', 1_000, 8_000, 100, 50).is_none());
    }
}
