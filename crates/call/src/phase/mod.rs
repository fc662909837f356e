//! Where a call is, and who handles what happens to it there: one file for each phase.

mod active;
mod answering;
pub(crate) mod automation;
mod dialing;
mod draining;
mod ending;
mod holding;
mod joining;
mod prompting;
mod recording;
mod refreshing;
mod ringing;
pub(crate) mod transferring;

pub(crate) use dialing::Dialing;
pub(crate) use ending::{Ending, leave_room};
pub(crate) use ringing::Ringing;

use crate::{Effect, Event, Facts};
use active::Active;
use answering::Answering;
use draining::Draining;
use prompting::Prompting;
use recording::Recording;
use trunkline_types::Time;

/// Where a call is. Each phase is a struct in a file of its own whose `handle` consumes it and
/// returns the next one.
#[derive(Debug)]
pub(crate) enum Phase {
    /// A call of ours is on its way.
    Dialing(Box<Dialing>),
    /// 180 is out; the room is joined and the media leg opened.
    Ringing(Box<Ringing>),
    /// The record is being written; the 200 leaves when it is durable.
    Answering(Box<Answering>),
    /// The caller enters a pin; no room has him yet.
    Prompting(Box<Prompting>),
    /// Answered.
    Active(Box<Active>),
    /// We shall send BYE when the room's last words are played out.
    Draining(Box<Draining>),
    /// Over; the last answers and counters come in.
    Ending(Ending),
    /// The final record is being written.
    Recording(Recording),
    /// Nothing more will happen.
    Ended,
}

impl Phase {
    /// The phase after an event.
    pub(crate) fn handle(self, event: Event, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) -> Self {
        match self {
            Self::Dialing(phase) => phase.handle(event, facts, now, effects),
            Self::Ringing(phase) => phase.handle(event, facts, now, effects),
            Self::Answering(phase) => phase.handle(event, facts, now, effects),
            Self::Prompting(phase) => phase.handle(event, facts, now, effects),
            Self::Active(phase) => phase.handle(event, facts, now, effects),
            Self::Draining(phase) => phase.handle(event, facts, now, effects),
            Self::Ending(phase) => phase.handle(event, facts, now, effects),
            Self::Recording(phase) => phase.handle(event, facts, now, effects),
            Self::Ended => Self::Ended,
        }
    }

    /// When it wants [`Event::TimedOut`].
    pub(crate) fn deadline(&self, facts: &Facts) -> Option<Time> {
        match self {
            Self::Dialing(phase) => Some(phase.deadline()),
            Self::Ringing(phase) => Some(phase.deadline(facts)),
            Self::Answering(phase) => Some(phase.deadline()),
            Self::Prompting(phase) => Some(phase.deadline()),
            Self::Active(phase) => Some(phase.deadline(facts)),
            Self::Draining(phase) => Some(phase.deadline()),
            Self::Ending(phase) => Some(phase.deadline()),
            Self::Recording(_) | Self::Ended => None,
        }
    }
}
