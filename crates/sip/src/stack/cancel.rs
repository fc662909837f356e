//! Giving an INVITE of ours up (RFC 3261 §9.1).

use super::{
    calling::Stage,
    client::Client,
    stack_core::{Action, ClientId, LIFE, Stack},
    timers::Timer,
};
use crate::HeaderList;
use trunkline_types::Time;

impl Stack {
    /// Gives an INVITE up: CANCEL at once, or as soon as a provisional answer allows it (RFC 3261
    /// §9.1). It ends with `Refused` (487) or `Failed`; if nothing was heard, answers are waited for
    /// a while longer than the owner waits.
    pub fn cancel(&mut self, client: &ClientId, headers: &[(String, String)], now: Time, out: &mut Vec<Action>) {
        let Some(calling) = self.callings.get_mut(&client.0).filter(|c| !c.cancelled) else { return };
        calling.cancelled = true;
        let attempt = calling.attempt;
        self.want_cancel(attempt, headers.to_vec(), now, out);
    }

    /// Nobody waits for this attempt any longer.
    pub(crate) fn give_up(&mut self, id: u64, headers: HeaderList, now: Time, out: &mut Vec<Action>) {
        let Some(held) = self.attempts.get_mut(&id) else { return };
        held.given_up = true;
        // What was never heard of is not repeated either.
        self.timers.clear(Timer::AttemptRepeat(id));
        self.want_cancel(id, headers, now, out);
    }

    fn want_cancel(&mut self, id: u64, headers: HeaderList, now: Time, out: &mut Vec<Action>) {
        let Some(held) = self.attempts.get_mut(&id) else { return };
        match held.stage {
            Stage::Calling => held.cancel = Some(headers),
            Stage::Proceeding => self.send_cancel(id, headers, now, out),
            Stage::Completed | Stage::Accepted => {}
        }
    }

    pub(crate) fn send_cancel(&mut self, id: u64, headers: HeaderList, now: Time, out: &mut Vec<Action>) {
        let Some(held) = self.attempts.get_mut(&id) else { return };
        held.cancel = None;
        let draft = held.head.same_as("CANCEL", &held.head.to, headers);
        let (branch, flow) = (held.branch.clone(), held.flow);
        let transmit = self.written(&draft, &Vec::new(), &branch, flow);
        self.timers.set(Timer::AttemptEnd(id), now + LIFE);
        let _ = self.open_client(Client::silent(branch, "CANCEL", &transmit), transmit, now, out);
    }
}
