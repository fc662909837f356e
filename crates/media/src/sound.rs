//! A sound on its way to a far end, 20 ms at a time.

use crate::frame::FRAME;
use trunkline_audio::{g711, music::Music, prompt, resample::Resampler, ringing::Ringing};
use trunkline_call::media::Sound;

/// What sounds are made at, samples per second.
const RATE: u32 = 8_000;
/// Samples of 20 ms at that rate.
const OWN: usize = 160;

/// See the module.
pub(crate) struct Player {
    pub(crate) sound: Sound,
    source: Source,
    wide: Option<Box<Resampler>>,
}

enum Source {
    /// μ-law, and where it goes on.
    Clip(&'static [u8], usize),
    Ringing(Ringing),
    Music(Box<Music>),
}

impl Player {
    /// Everything it needs is made here.
    pub(crate) fn new(sound: Sound, rate: u32) -> Self {
        let source = match sound {
            Sound::EnterPin => Source::Clip(prompt::ENTER_PIN, 0),
            Sound::WrongPin => Source::Clip(prompt::WRONG_PIN, 0),
            Sound::RoomJoin => Source::Clip(prompt::ROOM_JOIN, 0),
            Sound::Ringing => Source::Ringing(Ringing::new(RATE)),
            Sound::HoldMusic => Source::Music(Box::default()),
        };
        let mut player = Self { sound, source, wide: None };
        player.rate(rate);
        player
    }

    /// It is played at this rate from now on.
    pub(crate) fn rate(&mut self, rate: u32) {
        self.wide = if rate == RATE { None } else { Resampler::new(RATE, rate).map(Box::new) };
    }

    /// Its next 20 ms; `false` when it is over.
    pub(crate) fn next(&mut self, out: &mut [i16]) -> bool {
        let mut own = [0; OWN];
        let goes_on = match &mut self.source {
            Source::Clip(bytes, at) => {
                let rest = bytes.get(*at..).unwrap_or_default();
                for (slot, byte) in own.iter_mut().zip(rest) {
                    *slot = g711::decode_ulaw(*byte);
                }
                *at += OWN;
                !rest.is_empty()
            }
            Source::Ringing(ringing) => {
                ringing.fill(&mut own);
                true
            }
            Source::Music(music) => {
                music.fill(&mut own);
                true
            }
        };
        match &mut self.wide {
            None => {
                let length = out.len().min(OWN);
                out[..length].copy_from_slice(&own[..length]);
            }
            Some(wide) => {
                let mut made = [0; FRAME];
                wide.process(&own, &mut made);
                let length = out.len().min(FRAME);
                out[..length].copy_from_slice(&made[..length]);
            }
        }
        goes_on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_ends_at_every_rate_and_a_tone_does_not() {
        for (rate, frame) in [(8_000, 160), (16_000, 320)] {
            for sound in [Sound::EnterPin, Sound::WrongPin, Sound::RoomJoin] {
                let mut player = Player::new(sound, rate);
                let mut out = vec![0; frame];
                let (mut frames, mut peak) = (0, 0);
                while player.next(&mut out) {
                    frames += 1;
                    peak = out.iter().map(|s| s.saturating_abs()).max().unwrap_or(0).max(peak);
                }
                assert!((50..300).contains(&frames), "{sound:?}: {frames}");
                assert!(peak > 8_000, "{sound:?}: {peak}");
            }
            for sound in [Sound::Ringing, Sound::HoldMusic] {
                let mut player = Player::new(sound, rate);
                assert!((0..1_000).all(|_| player.next(&mut vec![0; frame])));
            }
        }
    }
}
