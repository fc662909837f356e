//! A message arrives: retransmission, in a dialog, or new.

use super::{
    dialog::{Dialog, DialogId},
    invite::Invite,
    stack_core::{Action, Event, InviteId, RequestId, Slot, Stack, origin_key, server_key},
    timers::Timer,
};
use crate::{
    Message,
    address::split_list,
    flow::{Flow, Received},
};
use trunkline_types::Time;

/// Methods with a handler.
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY";
/// Extensions that a far end may use (RFC 4028, RFC 3891, RFC 4488, RFC 3262).
pub(crate) const SUPPORTED: &str = "timer, replaces, norefersub, 100rel";
/// The same without reliable provisional answers: of an INVITE without an offer, such an answer
/// would bring one, and PRACK would have to answer it.
pub(crate) const SUPPORTED_WITHOUT_OFFER: &str = "timer, replaces, norefersub";

/// Whether the method is one of SIP's own (RFC 3261 and its extensions).
pub(crate) fn is_known_method(method: &str) -> bool {
    matches!(
        method,
        "INVITE"
            | "ACK"
            | "CANCEL"
            | "BYE"
            | "OPTIONS"
            | "REGISTER"
            | "MESSAGE"
            | "SUBSCRIBE"
            | "NOTIFY"
            | "PUBLISH"
            | "REFER"
            | "INFO"
            | "UPDATE"
            | "PRACK"
    )
}

fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

impl Stack {
    /// Takes a message that arrived.
    pub fn handle(&mut self, received: &Received, now: Time, out: &mut Vec<Action>) {
        let Ok(message) = &received.message else { return };
        if !message.is_request() {
            return self.response_received(message, received.flow, now, out);
        }
        match message.method() {
            "ACK" => self.ack_received(message, out),
            "CANCEL" => self.cancel_received(message, &received.flow, now, out),
            method => match self.by_key.get(&server_key(message, method)).copied() {
                Some(Slot::Invite(id)) => self.repeat_last(id, out),
                Some(Slot::Served(id)) => self.repeat_served(id, out),
                None => self.request_received(message, received.flow, now, out),
            },
        }
    }

    fn request_received(&mut self, message: &Message, flow: Flow, now: Time, out: &mut Vec<Action>) {
        let origin = origin_key(message);
        let in_dialog = message.to().tag.is_some();
        if !in_dialog && self.by_origin.contains_key(&origin) {
            return self.answer_at_once(message, flow, 482, "Loop Detected", &[], now, out);
        }
        if let Some((status, reason, headers)) = unacceptable(message) {
            return self.answer_at_once(message, flow, status, reason, &headers, now, out);
        }
        if !in_dialog {
            return self.outside_dialog(message, flow, origin, now, out);
        }
        let id = DialogId::of_request(message);
        let gone = "Call/Transaction Does Not Exist";
        if !self.dialogs.contains_key(&id) && message.method() == "BYE" && self.early_bye(message, flow, now, out) {
            return;
        }
        if !self.dialogs.contains_key(&id) && message.method() == "UPDATE" && self.early_update(message, flow, now, out)
        {
            return;
        }
        if message.method() == "PRACK" && self.by_early.contains_key(&id) && !self.dialogs.contains_key(&id) {
            return self.prack_received(message, flow, now, out);
        }
        match self.dialogs.get_mut(&id).filter(|d| d.is_peer(flow.remote.ip())) {
            None => self.answer_at_once(message, flow, 481, gone, &[], now, out),
            Some(dialog) if dialog.remote_cseq.is_some_and(|last| message.cseq() <= last) => {
                self.answer_at_once(message, flow, 500, "CSeq Out of Order", &[], now, out);
            }
            Some(dialog) => {
                dialog.remote_cseq = Some(message.cseq());
                self.inside_dialog(message, flow, id, now, out);
            }
        }
    }

    fn outside_dialog(&mut self, message: &Message, flow: Flow, origin: String, now: Time, out: &mut Vec<Action>) {
        if message.method() == "INVITE" {
            let id = self.number();
            self.by_origin.insert(origin, id);
            self.open_invite(id, message, flow, None, now);
            self.seed(id, Dialog::new(message, flow));
            out.push(Action::Event(Event::Invite { invite: InviteId(id), message: message.clone(), flow }));
        } else if matches!(message.method(), "BYE" | "UPDATE" | "PRACK" | "NOTIFY") {
            self.answer_at_once(message, flow, 481, "Call/Transaction Does Not Exist", &[], now, out);
        } else {
            let request = self.open_served(message, flow, now);
            out.push(Action::Event(Event::Request { request, dialog: None, message: message.clone(), flow }));
        }
    }

    fn inside_dialog(&mut self, message: &Message, flow: Flow, dialog: DialogId, now: Time, out: &mut Vec<Action>) {
        if message.method() == "INVITE" {
            let offered = self.has_offered(&dialog);
            if self.is_serving_invite(&dialog) {
                let headers = [self.retry_after()];
                return self.answer_at_once(message, flow, 500, "Overlapping Request", &headers, now, out);
            }
            if offered {
                return self.answer_at_once(message, flow, 491, "Request Pending", &[], now, out);
            }
            let id = self.number();
            if let Some(held) = self.dialogs.get_mut(&dialog) {
                held.refresh(message, flow);
                held.serving = Some(id);
            }
            self.open_invite(id, message, flow, Some(dialog.clone()), now);
            let invite = InviteId(id);
            out.push(Action::Event(Event::Reinvite { invite, dialog, message: message.clone(), flow }));
            return;
        }
        if message.method() == "PRACK" {
            return self.prack_received(message, flow, now, out);
        }
        self.serve_inside(message, flow, dialog, now, out);
    }

    /// Whether an INVITE of theirs in this dialog has no final answer yet.
    pub(crate) fn is_serving_invite(&self, dialog: &DialogId) -> bool {
        let serving = self.dialogs.get(dialog).and_then(|d| d.serving);
        serving.and_then(|id| self.invites.get(&id)).is_some_and(|i| i.is_pending())
    }

    pub(crate) fn open_invite(&mut self, id: u64, message: &Message, flow: Flow, dialog: Option<DialogId>, now: Time) {
        self.by_key.insert(server_key(message, "INVITE"), Slot::Invite(id));
        self.invites.insert(id, Box::new(Invite::new(message, flow, dialog)));
        self.timers.set(Timer::Trying(id), now + self.config.trying_after);
    }

    /// Answers a request that goes no further, with a transaction that repeats the answer.
    #[expect(clippy::too_many_arguments, reason = "a request and its answer")]
    pub(crate) fn answer_at_once(
        &mut self,
        message: &Message,
        flow: Flow,
        status: u16,
        reason: &str,
        headers: &[(String, String)],
        now: Time,
        out: &mut Vec<Action>,
    ) {
        if message.method() == "INVITE" {
            let id = self.number();
            self.open_invite(id, message, flow, None, now);
            let tag = self.stateless_tag(message);
            return self.reject(&InviteId(id), &tag, status, reason, headers, now, out);
        }
        let RequestId(id) = self.open_served(message, flow, now);
        self.respond(&RequestId(id), status, reason, headers, None, now, out);
    }
}

type Refusal = (u16, &'static str, Vec<(String, String)>);

/// What RFC 3261 §8.2 has a server look at before anything else.
fn unacceptable(message: &Message) -> Option<Refusal> {
    let method = message.method();
    if !matches!(method, "INVITE" | "BYE" | "OPTIONS" | "INFO" | "UPDATE" | "PRACK" | "REFER" | "NOTIFY") {
        return Some(match is_known_method(method) {
            true => (405, "Method Not Allowed", vec![header("Allow", ALLOW)]),
            false => (501, "Not Implemented", vec![header("Allow", ALLOW)]),
        });
    }
    let uri = message.request_uri();
    let scheme = uri.split(':').next().unwrap_or_default().to_ascii_lowercase();
    if !uri.contains(':') || !matches!(scheme.as_str(), "sip" | "sips" | "tel") {
        return Some((416, "Unsupported URI Scheme", Vec::new()));
    }
    let understood = |tag: &&str| split_list(SUPPORTED).iter().any(|ours| ours.eq_ignore_ascii_case(tag));
    let strange: Vec<_> = message.find("Require").flat_map(split_list).filter(|tag| !understood(tag)).collect();
    if !strange.is_empty() && method != "BYE" {
        return Some((420, "Bad Extension", vec![header("Unsupported", &strange.join(", "))]));
    }
    if method == "INVITE" {
        if !message.body().is_empty() && message.find("Content-Encoding").any(|e| !e.eq_ignore_ascii_case("identity")) {
            return Some((415, "Unsupported Media Type", vec![header("Accept-Encoding", "identity")]));
        }
        if !message.body().is_empty() && message.content_type().is_some() && message.sdp().is_none() {
            return Some((415, "Unsupported Media Type", vec![header("Accept", "application/sdp")]));
        }
        let accept = message.header_values("Accept");
        let wanted =
            |a: &String| ["application/sdp", "application/*", "*/*"].iter().any(|w| a.to_ascii_lowercase().contains(w));
        if !accept.is_empty() && !accept.iter().any(wanted) {
            return Some((406, "Not Acceptable", Vec::new()));
        }
    }
    None
}
