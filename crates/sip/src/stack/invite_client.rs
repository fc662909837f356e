//! INVITEs of ours (RFC 3261 §13.2, §14.1, §17.1.1): beginning them and trying again.

use super::{
    calling::{Attempt, Calling, Stage},
    dialog::DialogId,
    draft::Draft,
    outgoing::Outgoing,
    stack_core::{Action, ClientId, Event, LIFE, Stack, T1},
    timers::Timer,
};
use crate::{
    HeaderList,
    digest::Login,
    flow::{Flow, Transmit},
};
use bytes::Bytes;
use std::time::Duration;
use trunkline_types::Time;

/// How long answers to an INVITE that was cancelled unheard are waited for behind timer B.
const LISTENING: Duration = Duration::from_secs(64);
/// Timer B.
const SILENT: &str = "no answer within 64·T1";

impl Stack {
    /// Sends an INVITE. Answered by [`Event::Progress`], [`Event::Answered`], [`Event::Refused`] or
    /// [`Event::Failed`]; 401 and 407 are answered here. Reliable provisional answers are
    /// acknowledged here (RFC 3262). A 2xx of a further fork, or one that comes after
    /// [`Self::cancel`] or [`Self::retarget`], gets ACK and BYE here.
    pub fn invite(&mut self, outgoing: Outgoing, now: Time, out: &mut Vec<Action>) -> ClientId {
        self.invite_from(outgoing, 1, now, out)
    }

    /// The same with a `CSeq` to begin with: for an INVITE that follows one that was refused or
    /// redirected, under the same Call-ID (RFC 3261 §8.1.3.4).
    pub fn invite_from(&mut self, outgoing: Outgoing, cseq: u32, now: Time, out: &mut Vec<Action>) -> ClientId {
        let id = self.number();
        let (flow, local_tag) = (outgoing.flow, outgoing.local_tag.clone());
        let login = outgoing.credentials.clone().map(|c| Box::new(Login::new(c)));
        let calling = Calling {
            draft: outgoing.draft("INVITE", cseq),
            local_tag,
            dialog: None,
            attempt: 0,
            early: Vec::new(),
            cancelled: false,
            is_proceeding: false,
            login,
        };
        self.callings.insert(id, Box::new(calling));
        self.attempt(id, flow, now, out);
        ClientId(id)
    }

    /// Tries the same INVITE on another way, with a new branch (RFC 3263 §4.3); the former attempt
    /// is given up. Only before a final answer.
    pub fn retarget(&mut self, client: &ClientId, flow: Flow, now: Time, out: &mut Vec<Action>) {
        let Some(calling) = self.callings.get(&client.0).filter(|c| !c.cancelled && c.dialog.is_none()) else { return };
        let former = calling.attempt;
        self.forget_early(client.0, None);
        self.give_up(former, Vec::new(), now, out);
        self.attempt(client.0, flow, now, out);
    }

    /// Whether the attempt that counts has met any provisional answer, 100 included: then its target
    /// is alive, and there is no reason to try the next one (RFC 3263 §4.3).
    pub fn is_proceeding(&self, client: &ClientId) -> bool {
        self.callings.get(&client.0).is_some_and(|c| c.is_proceeding)
    }

    /// Sends a re-INVITE in a dialog: answered like [`Self::invite`], without early dialogs; 491 comes
    /// as `Refused`. `None` if there is no such dialog or an INVITE of either side is pending in it.
    pub fn reinvite(
        &mut self,
        dialog: &DialogId,
        headers: &[(String, String)],
        body: Option<(&str, Bytes)>,
        now: Time,
        out: &mut Vec<Action>,
    ) -> Option<ClientId> {
        let serving = self.is_serving_invite(dialog);
        let id = self.number();
        let held = self.dialogs.get_mut(dialog)?;
        if serving || held.calling.is_some() || held.ack_due.is_some() || held.unacknowledged.is_some() {
            return None;
        }
        held.calling = Some(id);
        let (flow, login) = (held.way(), held.login.clone());
        let draft = held.draft(dialog, "INVITE", headers, body);
        let calling = Calling {
            draft,
            local_tag: dialog.local_tag.clone(),
            dialog: Some(dialog.clone()),
            attempt: 0,
            early: Vec::new(),
            cancelled: false,
            is_proceeding: false,
            login,
        };
        self.callings.insert(id, Box::new(calling));
        self.attempt(id, flow, now, out);
        Some(ClientId(id))
    }

    /// How long to wait before an INVITE that met 491 is sent again (RFC 3261 §14.1): 2.1 to 4 s for
    /// whoever made the Call-ID, up to 2 s for the other side; in steps of 10 ms.
    pub fn glare_wait(&mut self, dialog: &DialogId) -> Duration {
        let ours = self.dialogs.get(dialog).is_some_and(|d| d.is_ours);
        let steps = if ours { self.random.below(191).saturating_add(210) } else { self.random.below(201) };
        Duration::from_millis(steps.saturating_mul(10))
    }

    /// Sends the INVITE of `calling` with a new branch.
    pub(crate) fn attempt(&mut self, id: u64, flow: Flow, now: Time, out: &mut Vec<Action>) {
        let (number, branch) = (self.number(), self.branch());
        let Some(calling) = self.callings.get_mut(&id) else { return };
        calling.attempt = number;
        calling.is_proceeding = false;
        let draft = calling.draft.clone();
        let authorization = authorization(calling.login.as_deref_mut(), &draft, &flow, &mut self.random);
        let (dialog, login) = (calling.dialog.clone(), calling.login.clone());
        let transmit = self.written(&draft, &authorization, &branch, flow);
        let attempt = Attempt {
            calling: id,
            branch,
            flow,
            head: draft.head(),
            dialog,
            authorization,
            login,
            bytes: transmit.bytes.clone(),
            stage: Stage::Calling,
            interval: T1,
            given_up: false,
            cancel: None,
            ack: None,
            forks: Vec::new(),
        };
        self.by_branch.insert(attempt.key(), number);
        self.attempts.insert(number, Box::new(attempt));
        out.push(Action::Send(transmit));
        if !flow.protocol.is_reliable() {
            self.timers.set(Timer::AttemptRepeat(number), now + T1);
        }
        self.timers.set(Timer::AttemptEnd(number), now + LIFE);
    }

    /// Timer A.
    pub(crate) fn repeat_attempt(&mut self, id: u64, now: Time, out: &mut Vec<Action>) {
        let Some(held) = self.attempts.get_mut(&id).filter(|a| a.stage == Stage::Calling) else { return };
        out.push(Action::Send(Transmit { flow: held.flow, bytes: held.bytes.clone() }));
        held.interval = held.interval.saturating_mul(2);
        let next = now + held.interval;
        self.timers.set(Timer::AttemptRepeat(id), next);
    }

    /// Timer B, D or M, or the end of waiting for what follows a CANCEL.
    pub(crate) fn attempt_ended(&mut self, id: u64, now: Time, out: &mut Vec<Action>) {
        if self.listen_on(id, now, out) {
            return;
        }
        let cancelled = self.attempts.get(&id).is_some_and(|a| a.stage == Stage::Proceeding);
        let why = if cancelled { "no final answer within 64·T1 of CANCEL" } else { SILENT };
        self.end_attempt(id, why, out);
    }

    /// Whether an attempt that was cancelled before anything came, and has run out of time, goes on
    /// listening for its owner, who is told that it failed: the far end may be ringing all the same,
    /// with its answers lost, and says so again once a minute (RFC 3261 §13.3.1.1). What it says then
    /// gets the CANCEL, or ACK and BYE.
    fn listen_on(&mut self, id: u64, now: Time, out: &mut Vec<Action>) -> bool {
        let waits = |a: &&mut Box<Attempt>| a.stage == Stage::Calling && a.cancel.is_some() && !a.given_up;
        let Some(held) = self.attempts.get_mut(&id).filter(waits) else { return false };
        let owner = held.calling;
        held.given_up = true;
        held.bytes = Bytes::new();
        self.timers.clear(Timer::AttemptRepeat(id));
        self.timers.set(Timer::AttemptEnd(id), now + LISTENING);
        self.finish_calling(owner);
        out.push(Action::Event(Event::Failed { client: ClientId(owner), why: SILENT }));
        true
    }

    pub(crate) fn end_attempt(&mut self, id: u64, why: &'static str, out: &mut Vec<Action>) {
        let Some(held) = self.attempts.remove(&id) else { return };
        self.by_branch.remove(&held.key());
        self.timers.clear(Timer::AttemptRepeat(id));
        self.timers.clear(Timer::AttemptEnd(id));
        if held.is_open() && self.callings.get(&held.calling).is_some_and(|c| c.attempt == id) {
            self.finish_calling(held.calling);
            out.push(Action::Event(Event::Failed { client: ClientId(held.calling), why }));
        }
    }

    /// The owner has, or is about to get, the final answer without a dialog.
    pub(crate) fn finish_calling(&mut self, id: u64) {
        self.forget_early(id, None);
        let Some(calling) = self.callings.remove(&id) else { return };
        if let Some(dialog) = calling.dialog.as_ref().and_then(|d| self.dialogs.get_mut(d)) {
            dialog.calling = None;
            dialog.login = calling.login;
        }
    }

    /// Early dialogs end with the INVITE; the one that was confirmed stays.
    pub(crate) fn forget_early(&mut self, id: u64, but: Option<&str>) {
        let Some(calling) = self.callings.get_mut(&id) else { return };
        let tags: Vec<_> = calling.early.drain(..).filter(|tag| Some(tag.as_str()) != but).collect();
        let dialogs: Vec<_> = tags.iter().map(|tag| calling.dialog_id(tag)).collect();
        for dialog in dialogs {
            self.dialogs.remove(&dialog);
        }
    }
}

/// The credentials of a request, if a challenge was met before.
pub(crate) fn authorization(
    login: Option<&mut Login>,
    draft: &Draft,
    flow: &Flow,
    random: &mut trunkline_types::Random,
) -> HeaderList {
    let body = draft.body.as_ref().map(|(_, body)| body.clone()).unwrap_or_default();
    login.map(|login| login.headers(flow, &draft.method, &draft.uri, &body, random)).unwrap_or_default()
}
