//! Reliable provisional answers of ours (RFC 3262 §3): repeated until PRACK, one at a time.

use super::{
    dialog::DialogId,
    stack_core::{Action, Event, InviteId, LIFE, Stack, T1},
    timers::Timer,
};
use crate::{
    Message,
    flow::{Flow, Transmit},
    number::number,
};
use bytes::Bytes;
use std::{collections::VecDeque, time::Duration};
use trunkline_types::Time;

/// Answers that wait for the PRACK of the one before.
const WAITING: usize = 8;

/// Those of one INVITE.
#[derive(Debug)]
pub(crate) struct Reliable {
    /// Where its PRACK belongs.
    pub(crate) dialog: DialogId,
    /// Number of the last answer.
    rseq: u32,
    /// The first is out, the others wait for its PRACK.
    unacknowledged: VecDeque<(u32, Bytes)>,
    interval: Duration,
}

impl Reliable {
    fn is_pending(&self) -> bool {
        !self.unacknowledged.is_empty()
    }
}

impl Stack {
    /// Sends a provisional answer that wants a PRACK. `build` makes it with its number.
    pub(crate) fn send_reliably(
        &mut self,
        id: u64,
        dialog: DialogId,
        build: impl FnOnce(&Self, u32) -> Option<Bytes>,
        now: Time,
        out: &mut Vec<Action>,
    ) {
        // RFC 3262 §3: the first one is chosen below 2^31.
        let first = u32::try_from(self.random.below(1 << 30)).unwrap_or_default().saturating_add(1);
        let held = self.invites.get(&id).and_then(|i| i.reliable.as_ref());
        let rseq = held.map_or(first, |r| r.rseq.saturating_add(1));
        if held.is_some_and(|r| r.unacknowledged.len() >= WAITING) {
            return;
        }
        let Some(bytes) = build(self, rseq) else { return };
        let Some(invite) = self.invites.get_mut(&id) else { return };
        let flow = invite.flow;
        let reliable = invite.reliable.get_or_insert_with(|| {
            Box::new(Reliable { dialog: dialog.clone(), rseq, unacknowledged: VecDeque::new(), interval: T1 })
        });
        let waits = reliable.is_pending();
        reliable.rseq = rseq;
        reliable.unacknowledged.push_back((rseq, bytes.clone()));
        self.by_early.insert(reliable.dialog.clone(), id);
        if !waits {
            self.put_out_reliably(id, bytes, flow, now, out);
        }
    }

    fn put_out_reliably(&mut self, id: u64, bytes: Bytes, flow: Flow, now: Time, out: &mut Vec<Action>) {
        if let Some(reliable) = self.invites.get_mut(&id).and_then(|i| i.reliable.as_mut()) {
            reliable.interval = T1;
        }
        self.remember_last(id, bytes.clone());
        out.push(Action::Send(Transmit { flow, bytes }));
        self.timers.set(Timer::ReliableRepeat(id), now + T1);
        self.timers.set(Timer::ReliableEnd(id), now + LIFE);
    }

    pub(crate) fn repeat_reliable(&mut self, id: u64, now: Time, out: &mut Vec<Action>) {
        let Some(invite) = self.invites.get_mut(&id).filter(|i| i.is_pending()) else { return };
        let flow = invite.flow;
        let Some(reliable) = invite.reliable.as_mut() else { return };
        let Some((_, bytes)) = reliable.unacknowledged.front() else { return };
        out.push(Action::Send(Transmit { flow, bytes: bytes.clone() }));
        reliable.interval = reliable.interval.saturating_mul(2);
        let next = now + reliable.interval;
        self.timers.set(Timer::ReliableRepeat(id), next);
    }

    /// 64·T1 without a PRACK: the INVITE is refused, and for its owner it is over.
    pub(crate) fn reliable_ended(&mut self, id: u64, now: Time, out: &mut Vec<Action>) {
        let Some(invite) = self.invites.get(&id).filter(|i| i.is_pending()) else { return };
        let Some(tag) = invite.reliable.as_ref().map(|r| r.dialog.local_tag.clone()) else { return };
        self.reject(&InviteId(id), &tag, 504, "Server Time-out", &[], now, out);
        out.push(Action::Event(Event::Cancelled { invite: InviteId(id), message: None }));
    }

    /// The final answer is out: nothing is repeated any more, but PRACK is still understood.
    pub(crate) fn rest_reliable(&mut self, id: u64) {
        self.timers.clear(Timer::ReliableRepeat(id));
        self.timers.clear(Timer::ReliableEnd(id));
    }

    /// PRACK: 200 and the next answer, or 481 if nothing waits for it.
    pub(crate) fn prack_received(&mut self, message: &Message, flow: Flow, now: Time, out: &mut Vec<Action>) {
        let dialog = DialogId::of_request(message);
        let known = self.by_early.get(&dialog).copied();
        let Some((id, next)) = known.and_then(|id| Some((id, self.take_prack(id, message)?))) else {
            let gone = "Call/Transaction Does Not Exist";
            return self.answer_at_once(message, flow, 481, gone, &[], now, out);
        };
        self.answer_at_once(message, flow, 200, "OK", &[], now, out);
        self.rest_reliable(id);
        let Some(invite) = self.invites.get(&id).filter(|i| i.is_pending()) else { return };
        let flow = invite.flow;
        if let Some(bytes) = next {
            self.put_out_reliably(id, bytes, flow, now, out);
        }
    }

    /// Takes the acknowledged answer out; the next one if there is any. `None`: it is not this one's.
    fn take_prack(&mut self, id: u64, message: &Message) -> Option<Option<Bytes>> {
        let value = message.find("RAck").next()?;
        let mut parts = value.split_ascii_whitespace();
        let mut count = || number(parts.next()?, u64::from(u32::MAX));
        let (rseq, cseq) = (count()?, count()?);
        let invite = self.invites.get_mut(&id)?;
        if parts.next() != Some("INVITE") || u64::from(invite.cseq()) != cseq {
            return None;
        }
        invite.count_request(message.cseq());
        let reliable = invite.reliable.as_mut()?;
        let (out, _) = reliable.unacknowledged.front()?;
        if u64::from(*out) != rseq {
            return None;
        }
        reliable.unacknowledged.pop_front();
        Some(reliable.unacknowledged.front().map(|(_, bytes)| bytes.clone()))
    }
}
