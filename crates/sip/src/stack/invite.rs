//! Server INVITE transactions, with the 2xx that RFC 3261 §13.3.1.4 leaves to the user agent.

use super::{
    dialog::{Dialog, DialogId},
    reliable::Reliable,
    stack_core::{Action, Event, InviteId, LIFE, Slot, Stack, T1, T2, origin_key, server_key},
    timers::Timer,
};
use crate::{
    Message,
    flow::{Flow, Transmit},
    response::Copied,
};
use bytes::Bytes;
use std::{net::IpAddr, time::Duration};
use trunkline_types::Time;

/// One INVITE and how far it is answered. Of the message itself nothing is kept: a call of an hour
/// shall not cost what its INVITE did.
#[derive(Debug)]
pub(crate) struct Invite {
    pub(crate) flow: Flow,
    /// Of a re-INVITE from the start, of an INVITE once it is answered.
    pub(crate) dialog: Option<DialogId>,
    key: String,
    origin: String,
    cseq: u32,
    remote_tag: String,
    /// Until the final answer.
    copied: Copied,
    /// Until the final answer, of an INVITE outside any dialog: what 200 makes of it.
    seed: Option<Box<Dialog>>,
    tag: String,
    /// Until it is acknowledged.
    last: Option<Bytes>,
    stage: Stage,
    interval: Duration,
    /// Whether provisional answers may, and whether they must be reliable (RFC 3262 §3).
    may_be_reliable: bool,
    must_be_reliable: bool,
    pub(crate) reliable: Option<Box<Reliable>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Proceeding,
    /// 2xx is out.
    Accepted,
    /// 3xx–6xx is out.
    Completed,
    /// Acknowledged.
    Confirmed,
}

impl Invite {
    pub(crate) fn new(message: &Message, flow: Flow, dialog: Option<DialogId>) -> Self {
        Self {
            flow,
            dialog,
            key: server_key(message, "INVITE"),
            origin: origin_key(message),
            cseq: message.cseq(),
            remote_tag: message.from().tag.unwrap_or_default(),
            copied: Copied::of(message, &flow),
            seed: None,
            tag: String::new(),
            last: None,
            stage: Stage::Proceeding,
            interval: T1,
            may_be_reliable: message.supports("100rel"),
            must_be_reliable: message.requires("100rel"),
            reliable: None,
        }
    }

    pub(crate) fn cseq(&self) -> u32 {
        self.cseq
    }

    /// What its 200 will make a dialog of, if this is the dialog, and who may ask for something in it.
    pub(crate) fn early(&mut self, id: &DialogId, from: IpAddr) -> Option<&mut Dialog> {
        let same = !self.tag.is_empty() && self.is_pending() && self.dialog_id(&self.tag) == *id;
        self.seed.as_deref_mut().filter(|seed| same && seed.is_peer(from))
    }

    /// A request of theirs within the early dialog.
    pub(crate) fn count_request(&mut self, cseq: u32) {
        if let Some(seed) = self.seed.as_mut() {
            seed.remote_cseq = seed.remote_cseq.max(Some(cseq));
        }
    }

    fn dialog_id(&self, tag: &str) -> DialogId {
        self.dialog.clone().unwrap_or_else(|| DialogId {
            call_id: self.copied.call_id.clone(),
            local_tag: tag.to_owned(),
            remote_tag: self.remote_tag.clone(),
        })
    }

    /// The final answer is out: what building it took is not needed again.
    fn answered(&mut self, stage: Stage) {
        self.stage = stage;
        (self.copied, self.seed) = (Copied::default(), None);
    }

    fn confirm(&mut self) {
        self.stage = Stage::Confirmed;
        self.last = None;
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.stage == Stage::Proceeding
    }
}

impl Stack {
    pub(crate) fn seed(&mut self, id: u64, dialog: Dialog) {
        if let Some(held) = self.invites.get_mut(&id) {
            held.seed = Some(Box::new(dialog));
        }
    }

    /// A provisional answer; above 100 it makes an early dialog. It is sent reliably (RFC 3262) if
    /// the INVITE requires it, or if it supports it and `headers` have `Require: 100rel`; when no
    /// PRACK comes, the INVITE is refused with 504 and [`Event::Cancelled`] tells.
    #[expect(clippy::too_many_arguments, reason = "the parts of a response")]
    pub fn provisional(
        &mut self,
        invite: &InviteId,
        tag: &str,
        status: u16,
        reason: &str,
        headers: &[(String, String)],
        now: Time,
        out: &mut Vec<Action>,
    ) {
        let Some(held) = self.invites.get(&invite.0).filter(|i| i.is_pending()) else { return };
        let asks = |(name, value): &&(String, String)| {
            name.eq_ignore_ascii_case("Require") && value.trim().eq_ignore_ascii_case("100rel")
        };
        let asked = headers.iter().any(|header| asks(&header));
        let headers: Vec<_> = headers.iter().filter(|header| !asks(header)).cloned().collect();
        if status > 100 && !tag.is_empty() && (held.must_be_reliable || (asked && held.may_be_reliable)) {
            let dialog = held.dialog_id(tag);
            let (id, build) = (invite.0, |stack: &Self, rseq: u32| {
                let held = stack.invites.get(&invite.0)?;
                let mut all = vec![("Require".to_owned(), "100rel".to_owned()), ("RSeq".to_owned(), rseq.to_string())];
                all.extend(headers);
                Some(stack.response(&held.copied, &held.flow, status, reason, tag, &all, None, true))
            });
            self.timers.clear(Timer::Trying(id));
            if let Some(held) = self.invites.get_mut(&id) {
                held.tag = tag.to_owned();
            }
            return self.send_reliably(id, dialog, build, now, out);
        }
        let headers = headers.as_slice();
        let bytes = self.response(&held.copied, &held.flow, status, reason, tag, headers, None, true);
        self.timers.clear(Timer::Trying(invite.0));
        self.put_out(invite.0, tag, bytes, out);
    }

    pub(crate) fn remember_last(&mut self, id: u64, bytes: Bytes) {
        if let Some(held) = self.invites.get_mut(&id) {
            held.last = Some(bytes);
        }
    }

    fn put_out(&mut self, id: u64, tag: &str, bytes: Bytes, out: &mut Vec<Action>) {
        let Some(held) = self.invites.get_mut(&id) else { return };
        held.tag = tag.to_owned();
        held.last = Some(bytes.clone());
        out.push(Action::Send(Transmit { flow: held.flow, bytes }));
    }

    /// 200: makes the confirmed dialog and is repeated until the ACK.
    pub fn answer(
        &mut self,
        invite: &InviteId,
        tag: &str,
        headers: &[(String, String)],
        body: Option<(&str, Bytes)>,
        now: Time,
        out: &mut Vec<Action>,
    ) -> Option<DialogId> {
        let held = self.invites.get(&invite.0).filter(|i| i.is_pending())?;
        let ours = [("Allow", super::receive::ALLOW), ("Supported", super::receive::SUPPORTED)];
        let given = |name: &str| headers.iter().any(|(held, _)| held.eq_ignore_ascii_case(name));
        let ours = ours.into_iter().filter(|(name, _)| !given(name));
        let mut all: Vec<_> = ours.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        all.extend_from_slice(headers);
        let bytes = self.response(&held.copied, &held.flow, 200, "OK", tag, &all, body, true);
        let dialog = held.dialog_id(tag);
        let seed = self.invites.get_mut(&invite.0).and_then(|held| held.seed.take());
        if let Some(seed) = seed {
            self.dialogs.entry(dialog.clone()).or_insert_with(|| Box::new(seed.tagged(tag)));
        }
        if let Some(entry) = self.dialogs.get_mut(&dialog) {
            entry.unacknowledged = Some(invite.0);
        }
        self.timers.clear(Timer::Trying(invite.0));
        self.put_out(invite.0, tag, bytes, out);
        if let Some(held) = self.invites.get_mut(&invite.0) {
            held.answered(Stage::Accepted);
            held.dialog = Some(dialog.clone());
            held.interval = T1;
        }
        self.rest_reliable(invite.0);
        self.timers.set(Timer::InviteRepeat(invite.0), now + T1);
        self.timers.set(Timer::InviteEnd(invite.0), now + LIFE);
        Some(dialog)
    }

    /// A final refusal; repeated on datagrams until the ACK (timer G).
    #[expect(clippy::too_many_arguments, reason = "the parts of a response")]
    pub fn reject(
        &mut self,
        invite: &InviteId,
        tag: &str,
        status: u16,
        reason: &str,
        headers: &[(String, String)],
        now: Time,
        out: &mut Vec<Action>,
    ) {
        let Some(held) = self.invites.get(&invite.0).filter(|i| i.is_pending()) else { return };
        let tag = if held.tag.is_empty() { tag.to_owned() } else { held.tag.clone() };
        let bytes = self.response(&held.copied, &held.flow, status, reason, &tag, headers, None, false);
        let reliable = held.flow.protocol.is_reliable();
        self.timers.clear(Timer::Trying(invite.0));
        self.put_out(invite.0, &tag, bytes, out);
        if let Some(held) = self.invites.get_mut(&invite.0) {
            held.answered(Stage::Completed);
        }
        self.rest_reliable(invite.0);
        if !reliable {
            self.timers.set(Timer::InviteRepeat(invite.0), now + T1);
        }
        self.timers.set(Timer::InviteEnd(invite.0), now + LIFE);
    }

    pub(crate) fn trying(&mut self, id: u64, out: &mut Vec<Action>) {
        let Some(held) = self.invites.get(&id).filter(|i| i.is_pending() && i.last.is_none()) else { return };
        let bytes = self.response(&held.copied, &held.flow, 100, "Trying", "", &[], None, false);
        if let Some(held) = self.invites.get_mut(&id) {
            held.last = Some(bytes.clone());
            out.push(Action::Send(Transmit { flow: held.flow, bytes }));
        }
    }

    /// A retransmitted INVITE gets the last answer again; a 2xx has timers of its own.
    pub(crate) fn repeat_last(&mut self, id: u64, out: &mut Vec<Action>) {
        let Some(held) = self.invites.get(&id).filter(|i| i.stage != Stage::Confirmed) else { return };
        if let Some(bytes) = held.last.clone() {
            out.push(Action::Send(Transmit { flow: held.flow, bytes }));
        }
    }

    pub(crate) fn repeat_final(&mut self, id: u64, now: Time, out: &mut Vec<Action>) {
        let Some(held) = self.invites.get_mut(&id) else { return };
        let (Stage::Accepted | Stage::Completed, Some(bytes)) = (held.stage, held.last.clone()) else { return };
        out.push(Action::Send(Transmit { flow: held.flow, bytes }));
        held.interval = held.interval.saturating_mul(2).min(T2);
        let next = now + held.interval;
        self.timers.set(Timer::InviteRepeat(id), next);
    }

    /// 64·T1 after the final answer.
    pub(crate) fn invite_ended(&mut self, id: u64, out: &mut Vec<Action>) {
        let Some(held) = self.invites.get(&id) else { return };
        if held.stage == Stage::Accepted
            && let Some(dialog) = held.dialog.clone()
        {
            out.push(Action::Event(Event::NeverAcked { dialog }));
        }
        self.forget_invite(id);
    }

    fn forget_invite(&mut self, id: u64) {
        let Some(held) = self.invites.remove(&id) else { return };
        self.by_key.remove(&held.key);
        if self.by_origin.get(&held.origin) == Some(&id) {
            self.by_origin.remove(&held.origin);
        }
        if let Some(dialog) = held.dialog.as_ref().and_then(|d| self.dialogs.get_mut(d))
            && dialog.unacknowledged == Some(id)
        {
            dialog.unacknowledged = None;
        }
        if let Some(reliable) = &held.reliable
            && self.by_early.get(&reliable.dialog) == Some(&id)
        {
            self.by_early.remove(&reliable.dialog);
        }
        self.rest_reliable(id);
        for timer in [Timer::Trying(id), Timer::InviteRepeat(id), Timer::InviteEnd(id)] {
            self.timers.clear(timer);
        }
    }

    /// An ACK: to a refusal it has the INVITE's branch, to a 2xx it belongs to the dialog.
    pub(crate) fn ack_received(&mut self, message: &Message, out: &mut Vec<Action>) {
        if let Some(Slot::Invite(id)) = self.by_key.get(&server_key(message, "INVITE")).copied()
            && let Some(held) = self.invites.get_mut(&id)
            && held.stage == Stage::Completed
        {
            held.confirm();
            self.timers.clear(Timer::InviteRepeat(id));
            return;
        }
        let dialog = DialogId::of_request(message);
        let Some(id) = self.dialogs.get_mut(&dialog).and_then(|d| d.unacknowledged.take()) else { return };
        let Some(held) = self.invites.get_mut(&id).filter(|i| i.cseq == message.cseq()) else {
            if let Some(held) = self.dialogs.get_mut(&dialog) {
                held.unacknowledged = Some(id);
            }
            return;
        };
        held.confirm();
        self.timers.clear(Timer::InviteRepeat(id));
        out.push(Action::Event(Event::Acked { dialog, message: message.clone() }));
    }

    /// CANCEL (RFC 3261 §9.2): 200 to it, 487 to the INVITE unless that has its final answer.
    pub(crate) fn cancel_received(&mut self, message: &Message, flow: &Flow, now: Time, out: &mut Vec<Action>) {
        if let Some(Slot::Served(id)) = self.by_key.get(&server_key(message, "CANCEL")).copied() {
            return self.repeat_served(id, out);
        }
        let target = match self.by_key.get(&server_key(message, "INVITE")).copied() {
            Some(Slot::Invite(id)) => id,
            _ => return self.answer_at_once(message, *flow, 481, "Call/Transaction Does Not Exist", &[], now, out),
        };
        self.answer_at_once(message, *flow, 200, "OK", &[], now, out);
        if self.invites.get(&target).is_some_and(|i| i.is_pending()) {
            let tag = self.stateless_tag(message);
            self.reject(&InviteId(target), &tag, 487, "Request Terminated", &[], now, out);
            out.push(Action::Event(Event::Cancelled { invite: InviteId(target), message: Some(message.clone()) }));
        }
    }

    /// BYE in an early dialog: 200 to it, 487 to the INVITE.
    pub(crate) fn early_bye(&mut self, message: &Message, flow: Flow, now: Time, out: &mut Vec<Action>) -> bool {
        let id = DialogId::of_request(message);
        let early = self.invites.iter().find(|(_, i)| {
            i.is_pending() && i.tag == id.local_tag && !i.tag.is_empty() && i.copied.call_id == id.call_id
        });
        let Some((target, _)) = early.map(|(t, i)| (*t, i.is_pending())) else { return false };
        self.answer_at_once(message, flow, 200, "OK", &[], now, out);
        self.reject(&InviteId(target), &id.local_tag, 487, "Request Terminated", &[], now, out);
        out.push(Action::Event(Event::Cancelled { invite: InviteId(target), message: Some(message.clone()) }));
        true
    }
}
