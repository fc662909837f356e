//! At which distance a voice resembles itself.

use std::ops::RangeInclusive;

/// Of `periods`, in samples, the one after which the last `compared` samples of `history` resemble those
/// before them most, and how much: their correlation, 1.0 where they are the same but for their
/// level. `history` holds `compared` samples and the longest period at least.
pub(crate) fn most_alike(history: &[i16], compared: usize, periods: RangeInclusive<usize>) -> (usize, f32) {
    let (shortest, longest) = periods.into_inner();
    // First every other period over every other sample, then the neighbours of the best in full.
    let (rough, _) = best(history, compared, (shortest..=longest).step_by(2), 2);
    let near = rough.saturating_sub(1).max(shortest)..=(rough + 1).min(longest);
    let (period, score) = best(history, compared, near, 1);
    let recent = &history[history.len() - compared..];
    let energy: f32 = recent.iter().map(|sample| f32::from(*sample).powi(2)).sum();
    (period, score / energy.max(compared as f32).sqrt())
}

/// Of `periods` the one with the greatest correlation over the last `compared` samples, of which every
/// `stride`th counts, in proportion to what lies before them.
fn best(history: &[i16], compared: usize, periods: impl Iterator<Item = usize>, stride: usize) -> (usize, f32) {
    let recent = &history[history.len() - compared..];
    let mut best = (0, f32::MIN);
    for period in periods {
        let earlier = &history[history.len() - compared - period..];
        let (mut alike, mut energy) = (0.0f32, 0.0f32);
        for (a, b) in recent.iter().zip(earlier).step_by(stride) {
            let (a, b) = (f32::from(*a), f32::from(*b));
            alike += a * b;
            energy += b * b;
        }
        // Near silence nothing resembles anything.
        let score = alike / energy.max(compared as f32).sqrt();
        if score > best.1 {
            best = (period, score);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spoken::voice;

    #[test]
    fn a_voice_resembles_itself_after_each_of_its_periods() {
        for period in [40, 53, 80, 113] {
            let (found, alike) = most_alike(&voice(8_000, 8_000.0 / f64::from(period), 400), 160, 30..=120);
            assert_eq!(found % period as usize, 0, "{found} of {period}");
            assert!((0.99..1.01).contains(&alike), "{alike}");
        }
    }

    #[test]
    fn silence_resembles_nothing() {
        assert!(most_alike(&[0; 400], 160, 20..=120).1 <= 0.0);
    }
}
