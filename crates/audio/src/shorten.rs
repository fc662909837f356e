//! Saying the same in less time: one pitch period of a voice is left out, so that what has been late
//! is in time again and nobody hears how.
//!
//! The last period and the one before it are blended into one. That begins as the earlier does and
//! ends as the later does, so that neither end of the gap can be heard.

use crate::{pitch::most_alike, plc::blend};

/// The unit of all lengths: samples per millisecond at 8 kHz.
const PER_MILLISECOND: usize = 8;
/// What can be left out lies between 2.5 and 15 ms: one period of a high voice, or two.
const SHORTEST: usize = 5 * PER_MILLISECOND / 2;
const LONGEST: usize = 15 * PER_MILLISECOND;
/// Periods are compared over 10 ms.
const COMPARED: usize = 10 * PER_MILLISECOND;
/// From this correlation on two periods are the same to an ear.
const ALIKE: f32 = 0.8;
/// What is quieter on average, −50 dB below the loudest, may be blended with anything.
const QUIET: f32 = 104.0;

/// Leaves out one period of the end of `pcm`, at `rate` Hz (8,000 or 16,000; any other is taken as the
/// nearer of both), if it has one that is no longer than `most` samples. Returns how many samples were
/// left out: so much less of `pcm` is to be played.
pub fn shorten(pcm: &mut [i16], rate: u32, most: usize) -> usize {
    let scale = if rate > 12_000 { 2 } else { 1 };
    let compared = COMPARED * scale;
    let longest = (LONGEST * scale).min(most).min(pcm.len() / 2).min(pcm.len().saturating_sub(compared));
    if longest < SHORTEST * scale {
        return 0;
    }
    let is_quiet = {
        let heard = &pcm[pcm.len() - (longest + compared)..];
        let energy: f32 = heard.iter().map(|sample| f32::from(*sample).powi(2)).sum();
        energy < QUIET * QUIET * heard.len() as f32
    };
    let period = if is_quiet {
        longest
    } else {
        let (period, alike) = most_alike(pcm, compared, SHORTEST * scale..=longest);
        if alike < ALIKE {
            return 0;
        }
        period
    };
    let later = pcm.len() - period;
    for n in 0..period {
        let (before, after) = (f32::from(pcm[later - period + n]), f32::from(pcm[later + n]));
        pcm[later - period + n] = blend(before, after, n, period) as i16;
    }
    period
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        noise::ComfortNoise,
        spoken::{steepest, voice},
    };

    #[test]
    fn a_voice_loses_whole_periods_and_goes_on_without_a_step() {
        for (rate, scale) in [(8_000, 1), (16_000, 2)] {
            for pitch in [80.0, 100.0, 125.0, 160.0, 200.0, 333.0] {
                let whole = voice(rate, pitch, 400 * scale);
                let (mut now, after) = (whole[..320 * scale].to_vec(), &whole[320 * scale..]);
                let left_out = shorten(&mut now, rate, usize::MAX);
                let periods = left_out as f64 * pitch / f64::from(rate);
                assert!(periods > 0.9 && (periods - periods.round()).abs() < 0.05, "{pitch} Hz: {periods} periods");
                let played = [&now[..now.len() - left_out], after].concat();
                assert_eq!(played[..80 * scale], whole[..80 * scale], "{pitch} Hz: its beginning is not touched");
                assert!(steepest(&played) <= steepest(&whole) * 11 / 10, "{pitch} Hz at {rate}");
            }
        }
    }

    #[test]
    fn no_more_is_left_out_than_may_be() {
        let mut samples = voice(8_000, 100.0, 320);
        let before = samples.clone();
        assert_eq!(shorten(&mut samples, 8_000, 60), 0, "its period is 80");
        assert_eq!(samples, before);
        assert_eq!(shorten(&mut samples, 8_000, 80), 80);
        for length in 0..100 {
            assert_eq!(shorten(&mut vec![900; length], 8_000, 120), 0, "too little to compare");
        }
    }

    #[test]
    fn of_what_is_not_alike_nothing_is_left_out_but_of_silence_everything_that_may_be() {
        let mut noise = vec![0; 320];
        ComfortNoise::new(30, 2).fill(&mut noise);
        let before = noise.clone();
        assert_eq!(shorten(&mut noise, 8_000, 120), 0);
        assert_eq!(noise, before);
        assert_eq!(shorten(&mut [0; 320], 8_000, 100), 100);
        let mut quiet = vec![0; 320];
        ComfortNoise::new(70, 2).fill(&mut quiet);
        assert_eq!(shorten(&mut quiet, 8_000, 1_000), 120);
        shorten(&mut [i16::MIN; 320], 8_000, 120);
        shorten(&mut [i16::MAX; 640], 16_000, 240);
    }
}
