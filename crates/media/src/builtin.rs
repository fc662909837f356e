//! Built-in participants: one that greets, one that says back what it hears.

use crate::room::FRAME;
use std::collections::VecDeque;
use trunkline_call::media::Builtin;

/// How far the echo is behind, in samples.
const ECHO_DELAY: usize = FRAME * 10;

/// A built-in participant.
pub(crate) enum Member {
    /// Plays its prompt once it is told to.
    Greeter { prompt: Vec<i16>, at: usize, told: bool },
    /// Says back what the room says.
    Echo { heard: VecDeque<i16> },
}

impl Member {
    pub(crate) fn new(builtin: &Builtin) -> Self {
        match builtin {
            Builtin::Greeter => Self::Greeter { prompt: trunkline_audio::prompt::greeting(), at: 0, told: false },
            Builtin::Echo => Self::Echo { heard: VecDeque::with_capacity(ECHO_DELAY + 2 * FRAME) },
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
    pub(crate) fn speak(&mut self, listens: bool, sum: &mut [i16; FRAME]) {
        match self {
            Self::Greeter { prompt, at, told } => {
                if *told && listens {
                    let end = (*at + FRAME).min(prompt.len());
                    trunkline_audio::mix::add(sum, &prompt[*at..end]);
                    *at = end;
                }
            }
            Self::Echo { heard } => {
                if heard.len() >= ECHO_DELAY {
                    for slot in sum.iter_mut() {
                        *slot = slot.saturating_add(heard.pop_front().unwrap_or(0));
                    }
                }
            }
        }
    }

    /// Hears what the legs said.
    pub(crate) fn hear(&mut self, frame: &[i16; FRAME]) {
        if let Self::Echo { heard } = self {
            while heard.len() > ECHO_DELAY {
                heard.pop_front();
            }
            heard.extend(frame);
        }
    }
}
