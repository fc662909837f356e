//! Requests of ours within a dialog (RFC 3261 §12.2.1, §17.1.2): the line that builds a BYE.

use super::{
    dialog::DialogId,
    stack_core::{Action, ClientId, Event, LIFE, Stack, T1, T2, client_key},
    timers::Timer,
};
use crate::{
    Message,
    flow::{Flow, Transmit},
    response::append_custom,
};
use bytes::Bytes;
use std::{fmt::Write, time::Duration};
use trunkline_types::Time;

#[derive(Debug)]
pub(crate) struct Client {
    key: String,
    pub(crate) flow: Flow,
    bytes: Bytes,
    interval: Duration,
    pub(crate) answered: bool,
}

/// Timer K: how long late answers are swallowed.
const LATE: Duration = Duration::from_secs(5);

impl Stack {
    /// Sends a request in a dialog; `None` if there is no such dialog.
    pub fn request(
        &mut self,
        dialog: &DialogId,
        method: &str,
        headers: &[(String, String)],
        body: Option<(&str, Bytes)>,
        now: Time,
        out: &mut Vec<Action>,
    ) -> Option<ClientId> {
        let branch = format!("z9hG4bK{}", self.random.hex(24));
        let held = self.dialogs.get_mut(dialog)?;
        held.local_cseq = held.local_cseq.saturating_add(1);
        let (uri, routes) = held.route();
        let mut text = format!("{method} {uri} SIP/2.0\r\n");
        let (cseq, local, remote, flow) = (held.local_cseq, held.local.clone(), held.remote.clone(), held.way());
        let address = self.own_address(&flow);
        let _ = write!(
            text,
            "Via: SIP/2.0/{} {address};branch={branch};rport\r\nMax-Forwards: 70\r\n",
            flow.protocol.as_str()
        );
        for route in &routes {
            let _ = write!(text, "Route: {route}\r\n");
        }
        let _ = write!(
            text,
            "From: {local}\r\nTo: {remote}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\nUser-Agent: {}\r\n",
            dialog.call_id, self.config.server
        );
        let body = append_custom(&mut text, headers, body.as_ref());
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&body);
        let bytes = Bytes::from(bytes);
        let id = self.number();
        let key = format!("{branch}|{method}");
        self.by_branch.insert(key.clone(), id);
        out.push(Action::Send(Transmit { flow, bytes: bytes.clone() }));
        let client = Client { key, flow, bytes, interval: T1, answered: false };
        self.clients.insert(id, client);
        if !flow.protocol.is_reliable() {
            self.timers.set(Timer::ClientRepeat(id), now + T1);
        }
        self.timers.set(Timer::ClientEnd(id), now + LIFE);
        Some(ClientId(id))
    }

    /// Forgets a dialog; its transactions end by their own timers.
    pub fn forget(&mut self, dialog: &DialogId) {
        self.dialogs.remove(dialog);
    }

    pub(crate) fn response_received(&mut self, message: &Message, now: Time, out: &mut Vec<Action>) {
        let Some(id) = self.by_branch.get(&client_key(message)).copied() else { return };
        let Some(held) = self.clients.get_mut(&id).filter(|c| !c.answered) else { return };
        if message.status().is_some_and(|s| s >= 200) {
            held.answered = true;
            self.timers.clear(Timer::ClientRepeat(id));
            let late = if held.flow.protocol.is_reliable() { Duration::ZERO } else { LATE };
            self.timers.set(Timer::ClientEnd(id), now + late);
        } else {
            // Timer E in Proceeding: T2.
            held.interval = T2;
        }
        if held.answered {
            out.push(Action::Event(Event::Response { client: ClientId(id), message: message.clone() }));
        }
    }

    pub(crate) fn repeat_request(&mut self, id: u64, now: Time, out: &mut Vec<Action>) {
        let Some(held) = self.clients.get_mut(&id).filter(|c| !c.answered) else { return };
        out.push(Action::Send(Transmit { flow: held.flow, bytes: held.bytes.clone() }));
        held.interval = held.interval.saturating_mul(2).min(T2);
        let next = now + held.interval;
        self.timers.set(Timer::ClientRepeat(id), next);
    }

    pub(crate) fn client_ended(&mut self, id: u64, out: &mut Vec<Action>) {
        self.end_client(id, "no answer within 64·T1", out);
    }

    pub(crate) fn fail_client(&mut self, id: u64, why: &'static str, _now: Time, out: &mut Vec<Action>) {
        self.end_client(id, why, out);
    }

    fn end_client(&mut self, id: u64, why: &'static str, out: &mut Vec<Action>) {
        let Some(held) = self.clients.remove(&id) else { return };
        self.by_branch.remove(&held.key);
        self.timers.clear(Timer::ClientRepeat(id));
        self.timers.clear(Timer::ClientEnd(id));
        if !held.answered {
            out.push(Action::Event(Event::Failed { client: ClientId(id), why }));
        }
    }
}
