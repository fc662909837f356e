//! The codecs of a bridge without the bridge: what its quality is measured against.

use crate::sound::{Clip, Onset, marks};
use std::time::Duration;
use trunkline_audio::{
    g711,
    opus::{Decoder, Encoder, EncoderConfig},
};

/// Marks that are timed, a second each.
const MARKS: usize = 5;

/// Which way the sound goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// μ-law, then Opus as Trunkline encodes it, decoded at 8 kHz.
    ToRoom,
    /// Opus as a client encodes it, decoded at 8 kHz, then μ-law.
    ToPhone,
}

/// What a clip becomes on its way, at 8 kHz.
///
/// # Errors
/// A text if libopus refuses.
pub fn chain(clip: &Clip, direction: Direction) -> Result<Clip, String> {
    let text = |why: trunkline_audio::opus::Error| why.to_string();
    let config = match direction {
        Direction::ToRoom => EncoderConfig::default(),
        Direction::ToPhone => {
            EncoderConfig { rate: 48_000, bitrate: 32_000, complexity: 5, ..EncoderConfig::default() }
        }
    };
    let mut source = clip.at(config.rate);
    if direction == Direction::ToRoom {
        through_ulaw(&mut source.pcm);
    }
    let mut encoder = Encoder::new(config).map_err(text)?;
    let mut decoder = Decoder::new(8_000).map_err(text)?;
    let (mut bytes, mut frame) = ([0; 1_275], [0; 160]);
    let mut out = Clip { rate: 8_000, pcm: Vec::new() };
    for pcm in source.pcm.chunks_exact(config.rate as usize / 50) {
        let length = encoder.encode(pcm, &mut bytes).map_err(text)?;
        let samples = decoder.decode(&bytes[..length], &mut frame).map_err(text)?;
        out.pcm.extend(&frame[..samples]);
    }
    if direction == Direction::ToPhone {
        through_ulaw(&mut out.pcm);
    }
    Ok(out)
}

/// How much later a mark comes out of the codecs than it went in, when packets take no time: the
/// longest of several marks.
///
/// # Errors
/// A text if libopus refuses, or a mark is lost in it.
pub fn delay(direction: Direction) -> Result<Duration, String> {
    let second = marks(48_000);
    let clip = Clip { rate: second.rate, pcm: second.pcm.repeat(MARKS) };
    let out = chain(&clip, direction)?;
    let mut onset = Onset::new(out.rate);
    let mut longest = None;
    let (first, rest) = out.pcm.split_at(out.pcm.len().min(out.rate as usize));
    // That mark has no silence before it.
    onset.find(first);
    for heard in rest.chunks_exact(out.rate as usize) {
        let at = onset.find(heard).ok_or("a mark was lost")?;
        onset.find(&heard[at + 1..]);
        longest = longest.max(Some(Duration::from_secs_f64(at as f64 / f64::from(out.rate))));
    }
    longest.ok_or_else(|| "no mark".into())
}

fn through_ulaw(pcm: &mut [i16]) {
    for sample in pcm {
        *sample = g711::decode_ulaw(g711::encode_ulaw(*sample));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opus_delays_marks_by_its_look_ahead_and_a_little_more() {
        for direction in [Direction::ToRoom, Direction::ToPhone] {
            let took = delay(direction).unwrap();
            assert!((6..12).contains(&took.as_millis()), "{took:?}");
        }
    }

    #[test]
    fn both_ways_keep_a_tone_and_its_duration() {
        let tone = Clip::tone(10);
        for direction in [Direction::ToRoom, Direction::ToPhone] {
            let out = chain(&tone, direction).unwrap();
            assert_eq!((out.rate, out.pcm.len()), (8_000, 80_000));
            let peak = out.pcm[8_000..].iter().map(|s| s.unsigned_abs()).max().unwrap();
            assert!((6_000..10_500).contains(&peak), "{peak}");
        }
    }
}
