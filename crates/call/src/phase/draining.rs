//! The room has ended the call: its last words are played out before our BYE, within a bound.

use super::{Ending, Phase};
use crate::{
    Effect, Event, Facts,
    headers::{self, Carrier},
    media::{MediaFact, MediaPlan},
};
use std::time::Duration;
use trunkline_types::Time;

/// See the module.
#[derive(Debug)]
pub(crate) struct Draining {
    deadline: Time,
}

/// How much later than the bound itself we give up on the media thread's word.
const GRACE: Duration = Duration::from_millis(250);

impl Draining {
    pub(crate) fn begin(facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) -> Phase {
        if facts.setup.drain.is_zero() {
            return Ending::by_bye(facts, now, effects);
        }
        let at_most = facts.setup.drain;
        effects.push(Effect::Media(MediaPlan::Drain { leg: facts.leg(), at_most }));
        Phase::Draining(Box::new(Self { deadline: now + at_most + GRACE }))
    }

    pub(crate) fn deadline(&self) -> Time {
        self.deadline
    }

    pub(crate) fn handle(
        self: Box<Self>,
        event: Event,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        match event {
            Event::Media(MediaFact::Drained { .. } | MediaFact::Silent { .. })
            | Event::NeverAcked
            | Event::ShutDown => Ending::by_bye(facts, now, effects),
            Event::TimedOut if now >= self.deadline => Ending::by_bye(facts, now, effects),
            Event::ByeReceived { .. } => Ending::answer_bye(facts, now, effects),
            Event::Acked { .. } => {
                headers::acknowledged(facts, Carrier::Answer, 0, now);
                Phase::Draining(self)
            }
            _ => Phase::Draining(self),
        }
    }
}
