//! A voice for tests, and how its seams are found.

use crate::tone::Sine;

/// A vowel at `pitch` Hz.
pub(crate) fn voice(rate: u32, pitch: f64, count: usize) -> Vec<i16> {
    let mut samples = vec![0; count];
    for (harmonic, amplitude) in [(1.0, 6_000), (2.0, 3_000), (3.0, 1_500)] {
        Sine::new(pitch * harmonic, amplitude, rate).add(&mut samples);
    }
    samples
}

/// The largest step from one sample to the next.
pub(crate) fn steepest(samples: &[i16]) -> i32 {
    samples.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap_or(0)
}
