//! Who talks when: speech with pauses as in a conversation, as one piece of sound to be repeated.

use super::Clip;
use trunkline_audio::noise::ComfortNoise;

/// Talk and pause together, in seconds.
const CYCLE: u32 = 5;
/// How loud a line is on which nobody speaks, in −dBov.
const LINE: u8 = 70;
/// A script with pauses is this long, in seconds.
const LENGTH: u32 = 60;

/// How much of the time somebody speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Talk {
    /// Of each five seconds, in percent; 100 for no pauses.
    pub percent: u8,
}

impl Default for Talk {
    fn default() -> Self {
        Self { percent: 100 }
    }
}

/// The clip, over and over, with the pauses in it; pauses hold the noise of a quiet line. It begins
/// with talk and is a whole number of cycles long, so that it can be repeated.
pub fn script(clip: &Clip, talk: Talk) -> Clip {
    let rate = clip.rate;
    let samples = |seconds: u32| (seconds * rate) as usize;
    if talk.percent >= 100 || clip.pcm.is_empty() {
        return clip.clone();
    }
    let mut noise = ComfortNoise::new(LINE, 1);
    let spoken = samples(CYCLE) * usize::from(talk.percent) / 100;
    let mut words = clip.pcm.iter().copied().cycle();
    let mut pcm = Vec::new();
    while pcm.len() < samples(LENGTH) {
        pcm.extend(words.by_ref().take(spoken));
        let begin = pcm.len();
        pcm.resize(begin + samples(CYCLE) - spoken, 0);
        noise.fill(&mut pcm[begin..]);
    }
    Clip { rate, pcm }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forty_percent_is_loud_forty_percent_of_the_time() {
        let script = script(&Clip::tone(10).at(8_000), Talk { percent: 40 });
        let loud = script.pcm.chunks(160).filter(|f| f.iter().any(|s| s.unsigned_abs() > 500)).count();
        assert_eq!(loud * 100 / (script.pcm.len() / 160), 40);
        assert_eq!(script.pcm.len() % 40_000, 0);
    }
}
