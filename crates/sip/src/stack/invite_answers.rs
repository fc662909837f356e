//! Answers to INVITEs of ours (RFC 3261 §13.2.2, §17.1.1, RFC 6026 §7.2).

use super::{
    acknowledge::AckDue,
    calling::{Fork, Stage},
    dialog::Dialog,
    prack::Order,
    stack_core::{Action, ClientId, Event, LIFE, Stack},
    timers::Timer,
    unanswered::Unanswered,
};
use crate::{Message, digest::Login, flow::Flow};
use std::time::Duration;
use trunkline_types::{Time, limits};

impl Stack {
    pub(crate) fn invite_answered(&mut self, id: u64, message: &Message, from: Flow, now: Time, out: &mut Vec<Action>) {
        let Some(held) = self.attempts.get(&id) else { return };
        match (message.status().unwrap_or_default(), held.stage) {
            (100..200, Stage::Calling | Stage::Proceeding) => self.progress(id, message, from, now, out),
            (200..300, Stage::Calling | Stage::Proceeding | Stage::Accepted) => {
                self.success(id, message, from, now, out)
            }
            (300..700, Stage::Calling | Stage::Proceeding) => self.refusal(id, message, from, now, out),
            (300..700, Stage::Completed) => out.extend(held.ack.clone().map(Action::Send)),
            _ => {}
        }
    }

    fn progress(&mut self, id: u64, message: &Message, from: Flow, now: Time, out: &mut Vec<Action>) {
        let Some(held) = self.attempts.get_mut(&id) else { return };
        if held.stage == Stage::Calling {
            held.stage = Stage::Proceeding;
            held.bytes = bytes::Bytes::new();
            self.timers.clear(Timer::AttemptRepeat(id));
            match held.dialog {
                // Nobody has a ringing timeout for it.
                Some(_) => self.timers.set(Timer::AttemptEnd(id), now + limits::REINVITE),
                None => self.timers.clear(Timer::AttemptEnd(id)),
            }
        }
        if let Some(headers) = held.cancel.take() {
            self.send_cancel(id, headers, now, out);
        }
        let Some(held) = self.attempts.get(&id).filter(|a| !a.given_up) else { return };
        let (number, cseq) = (held.calling, held.head.cseq);
        let Some(calling) = self.callings.get_mut(&number) else { return };
        calling.is_proceeding = true;
        if message.status() == Some(100) {
            return;
        }
        let tag = message.to().tag.unwrap_or_default();
        let mut dialog = None;
        if calling.dialog.is_none() && !tag.is_empty() {
            let early = calling.dialog_id(&tag);
            let known = self.dialogs.contains_key(&early);
            if !known && calling.early.len() < limits::FORKS {
                let mut entry = Dialog::of_answer(held, message, from);
                entry.calling = Some(number);
                calling.early.push(tag);
                self.dialogs.insert(early.clone(), Box::new(entry));
            }
            dialog = self.dialogs.contains_key(&early).then_some(early);
        } else if let Some(held) = &calling.dialog {
            dialog = Some(held.clone());
        }
        if let Some(dialog) = &dialog
            && self.acknowledge_reliable(dialog, cseq, message, now, out) == Order::Unheard
        {
            return;
        }
        out.push(Action::Event(Event::Progress { client: ClientId(number), dialog, message: message.clone() }));
    }

    fn success(&mut self, id: u64, message: &Message, from: Flow, now: Time, out: &mut Vec<Action>) {
        let Some(held) = self.attempts.get_mut(&id) else { return };
        if held.stage != Stage::Accepted {
            held.stage = Stage::Accepted;
            held.bytes = bytes::Bytes::new();
            held.cancel = None;
            self.timers.clear(Timer::AttemptRepeat(id));
            self.timers.set(Timer::AttemptEnd(id), now + LIFE);
        }
        let tag = message.to().tag.unwrap_or_default();
        if let Some(fork) = held.fork(&tag) {
            return out.extend(fork.ack.clone().map(Action::Send));
        }
        if held.forks.len() >= limits::FORKS {
            return;
        }
        let number = held.calling;
        let wanted = self.callings.get(&number).is_some_and(|c| c.attempt == id);
        if !wanted || held.given_up {
            if held.dialog.is_none() {
                self.dismiss(id, message, from, now, out);
            }
            return;
        }
        if self.callings.get(&number).is_some_and(|c| c.cancelled && c.dialog.is_none()) {
            self.finish_calling(number);
            self.dismiss(id, message, from, now, out);
            let why = Unanswered::AnsweredAfterCancel;
            return out.push(Action::Event(Event::Failed { client: ClientId(number), why }));
        }
        self.answered(id, &tag, message, from, out);
    }

    /// The first 2xx: its dialog is the one that counts.
    fn answered(&mut self, id: u64, tag: &str, message: &Message, from: Flow, out: &mut Vec<Action>) {
        let Some(held) = self.attempts.get_mut(&id) else { return };
        let number = held.calling;
        self.forget_early(number, Some(tag));
        let Some(mut calling) = self.callings.remove(&number) else { return };
        let Some(held) = self.attempts.get_mut(&id) else { return };
        let dialog = calling.dialog_id(tag);
        held.forks.push(Fork { tag: dialog.remote_tag.clone(), ack: None });
        if let Some(login) = calling.login.as_mut() {
            login.learn(message, &held.flow, &from);
        }
        held.login = calling.login.clone();
        let due = AckDue { attempt: id, cseq: held.head.cseq, authorization: held.authorization.clone() };
        let fresh = Dialog::of_answer(held, message, from);
        match self.dialogs.get_mut(&dialog) {
            Some(entry) if calling.dialog.is_some() => entry.refresh(message, from),
            // Route set and target are those of the 2xx, whatever the early dialog had.
            Some(entry) => entry.confirm(fresh),
            None if calling.dialog.is_some() => return,
            None => drop(self.dialogs.insert(dialog.clone(), Box::new(fresh))),
        }
        if let Some(entry) = self.dialogs.get_mut(&dialog) {
            (entry.calling, entry.ack_due) = (None, Some(due));
            entry.login = later(entry.login.take(), calling.login);
        }
        let client = ClientId(number);
        out.push(Action::Event(Event::Answered { client, dialog, message: message.clone(), flow: from }));
    }

    fn refusal(&mut self, id: u64, message: &Message, from: Flow, now: Time, out: &mut Vec<Action>) {
        let Some(held) = self.attempts.get_mut(&id) else { return };
        held.stage = Stage::Completed;
        held.bytes = bytes::Bytes::new();
        let draft = held.head.same_as("ACK", &message.header("To").unwrap_or_default(), Vec::new());
        let (branch, flow, number) = (held.branch.clone(), held.flow, held.calling);
        let given_up = held.given_up;
        let ack = self.written(&draft, &Vec::new(), &branch, flow);
        if let Some(held) = self.attempts.get_mut(&id) {
            held.ack = Some(ack.clone());
        }
        out.push(Action::Send(ack));
        self.timers.clear(Timer::AttemptRepeat(id));
        // Timer D.
        let late = if flow.protocol.is_reliable() { Duration::ZERO } else { LIFE };
        self.timers.set(Timer::AttemptEnd(id), now + late);
        let Some(calling) = self.callings.get_mut(&number).filter(|c| c.attempt == id) else { return };
        if given_up {
            return;
        }
        if !calling.cancelled && calling.login.as_mut().is_some_and(|l| l.meets(message, &flow, &from)) {
            let within = calling.dialog.clone();
            calling.draft.cseq = calling.draft.cseq.saturating_add(1);
            if let Some(dialog) = within.as_ref().and_then(|d| self.dialogs.get_mut(d)) {
                dialog.local_cseq = dialog.local_cseq.saturating_add(1);
                calling.draft.cseq = dialog.local_cseq;
            }
            self.forget_early(number, None);
            return self.attempt(number, flow, now, out);
        }
        self.finish_calling(number);
        out.push(Action::Event(Event::Refused { client: ClientId(number), message: message.clone() }));
    }
}

/// Of two states of one login, the one that has counted further; ready for the next request.
fn later(held: Option<Box<Login>>, other: Option<Box<Login>>) -> Option<Box<Login>> {
    let further = match (held, other) {
        (Some(held), Some(other)) if held.uses() > other.uses() => Some(held),
        (held, other) => other.or(held),
    };
    further.map(|login| Box::new(login.rested()))
}
