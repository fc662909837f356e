//! Music for who is on hold: a quiet loop of plucked notes over four chords, played note by note
//! while it is needed, so that it takes no memory but its voices.

use std::f64::consts::TAU;

/// Samples per second.
const RATE: f64 = 8_000.0;
/// Samples from one note to the next: 84 quavers in half a minute.
const STEP: u32 = 2_857;
/// Notes that sound at a time.
const VOICES: usize = 8;
/// The peak of a note when it is struck.
const LOUDNESS: f64 = 3_600.0;
/// What a fundamental and its octave keep of their height from one sample to the next.
const FADING: [f64; 2] = [0.999_8, 0.999_6];
/// How high the octave stands beside the fundamental.
const OCTAVE: f64 = 0.3;

/// The loop, one line per bar, as numbers of keys of which 69 is 440 Hz; 0 is a rest. The first of
/// each bar is struck together with the note an octave below.
const NOTES: [[u8; 8]; 8] = [
    [60, 67, 71, 72, 76, 72, 71, 67],
    [57, 64, 67, 72, 76, 79, 76, 72],
    [53, 60, 64, 69, 72, 76, 72, 69],
    [55, 62, 65, 69, 71, 74, 71, 67],
    [60, 67, 71, 76, 79, 0, 76, 74],
    [57, 64, 67, 72, 74, 76, 0, 72],
    [53, 60, 64, 69, 72, 0, 69, 67],
    [55, 62, 67, 71, 74, 72, 71, 0],
];

/// A note and its octave, as turning pointers that grow shorter.
#[derive(Clone, Copy, Debug, Default)]
struct Voice {
    pointers: [(f64, f64); 2],
    turns: [(f64, f64); 2],
}

impl Voice {
    fn strike(key: u8, loudness: f64) -> Self {
        let frequency = 440.0 * 2_f64.powf((f64::from(key) - 69.0) / 12.0);
        let turn = |times: f64, fading: f64| {
            let angle = TAU * frequency * times / RATE;
            (angle.cos() * fading, angle.sin() * fading)
        };
        Self {
            pointers: [(loudness, 0.0), (loudness * OCTAVE, 0.0)],
            turns: [turn(1.0, FADING[0]), turn(2.0, FADING[1])],
        }
    }

    fn next(&mut self) -> f64 {
        let mut sum = 0.0;
        for (pointer, (cos, sin)) in self.pointers.iter_mut().zip(self.turns) {
            let (x, y) = *pointer;
            *pointer = (x * cos - y * sin, x * sin + y * cos);
            sum += y;
        }
        sum
    }
}

/// See the module; 8 kHz. Nothing is allocated.
#[derive(Clone, Debug, Default)]
pub struct Music {
    voices: [Voice; VOICES],
    /// Which voice is struck next.
    turn: usize,
    /// Which note of the loop comes next.
    note: usize,
    /// Samples until it does.
    until: u32,
}

impl Music {
    /// Overwrites `out` with what comes next, at 8 kHz.
    pub fn fill(&mut self, out: &mut [i16]) {
        for slot in out {
            if self.until == 0 {
                self.until = STEP;
                self.strike();
            }
            self.until = self.until.saturating_sub(1);
            *slot = self.voices.iter_mut().map(Voice::next).sum::<f64>().round() as i16;
        }
    }

    fn strike(&mut self) {
        let key = NOTES.as_flattened().get(self.note).copied().unwrap_or(0);
        if key > 0 {
            self.voice(Voice::strike(key, LOUDNESS));
            if self.note.is_multiple_of(NOTES[0].len()) {
                self.voice(Voice::strike(key - 12, LOUDNESS));
            }
        }
        self.note = (self.note + 1) % NOTES.as_flattened().len();
    }

    fn voice(&mut self, voice: Voice) {
        if let Some(slot) = self.voices.get_mut(self.turn) {
            *slot = voice;
        }
        self.turn = (self.turn + 1) % VOICES;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sounds_all_the_time_and_never_clips() {
        let mut music = Music::default();
        let mut second = [0_i16; 8_000];
        for n in 0..120 {
            music.fill(&mut second);
            let peak = second.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0);
            assert!((1_500..20_000).contains(&peak), "second {n}: {peak}");
        }
    }

    #[test]
    fn it_begins_softly_and_changes_its_notes() {
        let mut music = Music::default();
        let mut all = vec![0_i16; 8_000 * 5];
        music.fill(&mut all);
        assert_eq!(all[0], 0);
        let waves = |part: &[i16]| part.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
        assert_ne!(waves(&all[..2_800]), waves(&all[2_900..5_700]));
    }
}
