//! The final record is being written.

use super::Phase;
use crate::{Effect, Event, Facts, Moment, record::CallStatus};
use trunkline_types::Time;

/// See the module.
#[derive(Debug)]
pub(crate) struct Recording;

impl Recording {
    pub(crate) fn begin(facts: &mut Facts, effects: &mut Vec<Effect>) -> Phase {
        facts.record.status = CallStatus::Hangup;
        effects.push(Effect::Persist(facts.snapshot()));
        effects.push(Effect::Announce(Moment::Ended, facts.snapshot()));
        Phase::Recording(Self)
    }

    pub(crate) fn handle(self, event: Event, _facts: &mut Facts, _now: Time, effects: &mut Vec<Effect>) -> Phase {
        let Event::Stored(result) = event else { return Phase::Recording(self) };
        if let Err(why) = result {
            effects.push(Effect::Log(format!("the call's final record could not be written: {why}")));
        }
        effects.push(Effect::Finish);
        Phase::Ended
    }
}
