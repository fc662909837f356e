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
    method: Asking,
}

/// What the 2xx says besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asking {
    /// What we understand.
    Options,
    /// Where we are reached (RFC 3311 §5.2, RFC 3515 §2.2).
    Contact,
    Plain,
}

impl Served {
    pub(crate) fn is_unanswered(&self) -> bool {
        self.asked.is_some()
    }
}

impl Stack {
    pub(crate) fn open_served(&mut self, message: &Message, flow: Flow, now: Time) -> RequestId {
        let id = self.number();
        let key = server_key(message, message.method());
        self.by_key.insert(key.clone(), Slot::Served(id));
        let method = match message.method() {
            "OPTIONS" => Asking::Options,
            "UPDATE" | "REFER" => Asking::Contact,
            _ => Asking::Plain,
        };
        let asked = Asked { copied: Copied::of(message, &flow), tag: self.stateless_tag(message), method };
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
        if asked.method == Asking::Options && status < 300 {
            all.push(("Allow".to_owned(), super::receive::ALLOW.to_owned()));
            all.push(("Accept".to_owned(), "application/sdp".to_owned()));
            all.push(("Supported".to_owned(), super::receive::SUPPORTED.to_owned()));
        }
        all.extend_from_slice(headers);
        let contact = asked.method == Asking::Contact && status < 300;
        let bytes = self.response(&asked.copied, &flow, status, reason, &asked.tag, &all, body, contact);
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
