//! The session timer of an answered call (RFC 4028).

use super::{Phase, active::Active};
use crate::{
    Effect, Facts, SipCommand,
    session_timer::{self, TimerHeaders},
};
use trunkline_types::{EndReason, Time};

impl Active {
    /// It is time to refresh the session, or nobody has.
    pub(super) fn timer_due(mut self: Box<Self>, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) -> Phase {
        let takes_update = self.mid.agreed.takes_update;
        let Some(timer) = &mut self.mid.agreed.timer else { return Phase::Active(self) };
        if now >= timer.expires_at {
            let text = "the session was not refreshed in time";
            return self.hang_up(EndReason::SessionExpired, text, facts, now, effects);
        }
        timer.refreshing();
        if takes_update {
            effects.push(Effect::Sip(SipCommand::Update { headers: timer.refresh_headers() }));
        } else {
            self.mid.refresh_by_offer = true;
            self.pursue(facts, effects);
        }
        Phase::Active(self)
    }

    /// The answer to our UPDATE.
    pub(super) fn refreshed(
        mut self: Box<Self>,
        status: u16,
        answer: &TimerHeaders,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        let Some(timer) = &mut self.mid.agreed.timer else { return Phase::Active(self) };
        match status {
            200..=299 => self.mid.agreed.timer = session_timer::as_client(answer, now),
            408 | 481 => {
                let text = "the far end no longer knows the call";
                return self.hang_up(EndReason::SessionExpired, text, facts, now, effects);
            }
            422 if timer.lengthen(answer.min_se) => timer.refresh_at = Some(now),
            // It knows no UPDATE after all.
            405 | 420 | 501 => {
                self.mid.agreed.takes_update = false;
                self.mid.refresh_by_offer = true;
                self.pursue(facts, effects);
            }
            _ => {
                effects.push(Effect::Log(format!("our refresh was refused with {status}")));
                timer.postpone(now);
            }
        }
        Phase::Active(self)
    }
}
