//! Built-in participants: one that greets, one that says back what it hears.

use std::collections::VecDeque;
use trunkline_audio::{prompt, resample::Resampler};
use trunkline_call::media::Builtin;

/// How far the echo is behind, in frames.
const ECHO_DELAY: usize = 10;

/// A built-in participant.
pub(crate) enum Member {
    /// Plays its prompt once it is told to.
    Greeter { prompt: Vec<i16>, at: usize, told: bool },
    /// Says back what the room says.
    Echo { heard: VecDeque<i16> },
}

/// The prompt at the rate of the room.
fn greeting(rate: u32) -> Vec<i16> {
    let prompt = prompt::greeting();
    if rate == 8_000 {
        return prompt;
    }
    let mut wide = vec![0; prompt.len() * 2];
    let made = Resampler::new(8_000, rate).map_or(0, |mut resampler| resampler.process(&prompt, &mut wide));
    wide.truncate(made);
    wide
}

impl Member {
    pub(crate) fn new(builtin: &Builtin, rate: u32) -> Self {
        match builtin {
            Builtin::Greeter => Self::Greeter { prompt: greeting(rate), at: 0, told: false },
            Builtin::Echo => Self::Echo { heard: VecDeque::with_capacity((ECHO_DELAY + 2) * 320) },
        }
    }

    /// The room mixes at this rate from now on.
    pub(crate) fn room_rate(&mut self, rate: u32) {
        match self {
            Self::Greeter { prompt, at, .. } => {
                let before = prompt.len().max(1);
                *prompt = greeting(rate);
                *at = *at * prompt.len() / before;
            }
            Self::Echo { heard } => heard.clear(),
        }
    }

    /// Whether the next frame may have sound in it.
    pub(crate) fn has_voice(&self) -> bool {
        match self {
            Self::Greeter { .. } => self.is_speaking(),
            Self::Echo { heard } => !heard.is_empty(),
        }
    }

    pub(crate) fn play(&mut self) {
        if let Self::Greeter { told, .. } = self {
            *told = true;
        }
    }

    pub(crate) fn is_speaking(&self) -> bool {
        matches!(self, Self::Greeter { prompt, at, told: true } if *at < prompt.len())
    }

    /// Adds its next frame to `sum`. A greeter waits until somebody `listens`: its first word is
    /// not said into the ringing.
    pub(crate) fn speak(&mut self, listens: bool, sum: &mut [i16]) {
        match self {
            Self::Greeter { prompt, at, told } => {
                if *told && listens {
                    let end = (*at + sum.len()).min(prompt.len());
                    trunkline_audio::mix::add(sum, &prompt[*at..end]);
                    *at = end;
                }
            }
            Self::Echo { heard } => {
                if heard.len() >= ECHO_DELAY * sum.len() {
                    for slot in sum.iter_mut() {
                        *slot = slot.saturating_add(heard.pop_front().unwrap_or(0));
                    }
                }
            }
        }
    }

    /// Hears what the legs said.
    pub(crate) fn hear(&mut self, frame: &[i16]) {
        if let Self::Echo { heard } = self {
            while heard.len() > ECHO_DELAY * frame.len() {
                heard.pop_front();
            }
            heard.extend(frame);
        }
    }
}
