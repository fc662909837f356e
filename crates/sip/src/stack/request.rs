//! Server transactions of methods other than INVITE (RFC 3261 §17.2.2).

use super::{
    stack_core::{Action, LIFE, RequestId, Slot, Stack, server_key},
    timers::Timer,
};
use crate::{
    Message,
    flow::{Flow, Transmit},
    response::Copied,
};
use bytes::Bytes;
use trunkline_types::Time;

#[derive(Debug)]
pub(crate) struct Served {
    key: String,
    flow: Flow,
    /// Until it is answered.
    asked: Option<Asked>,
    last: Option<Bytes>,
}

#[derive(Debug)]
struct Asked {
    copied: Copied,
    tag: String,
    is_options: bool,
}

impl Stack {
    pub(crate) fn open_served(&mut self, message: &Message, flow: Flow, now: Time) -> RequestId {
        let id = self.number();
        let key = server_key(message, message.method());
        self.by_key.insert(key.clone(), Slot::Served(id));
        let is_options = message.method() == "OPTIONS";
        let asked = Asked { copied: Copied::of(message, &flow), tag: self.stateless_tag(message), is_options };
        self.served.insert(id, Served { key, flow, asked: Some(asked), last: None });
        self.timers.set(Timer::ServedEnd(id), now + LIFE);
        RequestId(id)
    }

    /// The final answer to a request.
    #[expect(clippy::too_many_arguments, reason = "the parts of a response")]
    pub fn respond(
        &mut self,
        request: &RequestId,
        status: u16,
        reason: &str,
        headers: &[(String, String)],
        body: Option<(&str, Bytes)>,
        now: Time,
        out: &mut Vec<Action>,
    ) {
        let Some(held) = self.served.get_mut(&request.0) else { return };
        let Some(asked) = held.asked.take() else { return };
        let flow = held.flow;
        let mut all = Vec::new();
        if asked.is_options && status < 300 {
            all.push(("Allow".to_owned(), super::receive::ALLOW.to_owned()));
            all.push(("Accept".to_owned(), "application/sdp".to_owned()));
            all.push(("Supported".to_owned(), String::new()));
        }
        all.extend_from_slice(headers);
        let bytes = self.response(&asked.copied, &flow, status, reason, &asked.tag, &all, body, false);
        if let Some(held) = self.served.get_mut(&request.0) {
            held.last = Some(bytes.clone());
        }
        out.push(Action::Send(Transmit { flow, bytes }));
        // Timer J: retransmissions get the same answer; streams do not retransmit.
        if flow.protocol.is_reliable() {
            self.forget_served(request.0);
        } else {
            self.timers.set(Timer::ServedEnd(request.0), now + LIFE);
        }
    }

    pub(crate) fn repeat_served(&mut self, id: u64, out: &mut Vec<Action>) {
        if let Some(held) = self.served.get(&id)
            && let Some(bytes) = held.last.clone()
        {
            out.push(Action::Send(Transmit { flow: held.flow, bytes }));
        }
    }

    pub(crate) fn forget_served(&mut self, id: u64) {
        if let Some(held) = self.served.remove(&id) {
            self.by_key.remove(&held.key);
        }
        self.timers.clear(Timer::ServedEnd(id));
    }
}
