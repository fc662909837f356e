//! Messages in, the stack's events to the calls, messages out.

use crate::{Exchange, Output, exchange::Drain, info::key, trace::call_id_of};
use trunkline_call::{Event as CallEvent, media::MediaFact, session_timer::TimerHeaders};
use trunkline_routing::Dispatch;
use trunkline_sip::{
    Action, DialogId, Event, Message, RequestId,
    flow::{Flow, Received},
};
use trunkline_types::{CallId, Time};

/// What 503 asks who found no room to wait, seconds: callers and, over HTTP, load balancers.
pub const RETRY_AFTER: &str = "10";

impl Exchange {
    pub(crate) fn sip_received(&mut self, received: Received, now: Time, outputs: &mut Vec<Output>) {
        let Ok(message) = &received.message else { return };
        let message = message.clone();
        if message.is_request() && message.method() == "INVITE" {
            self.gauges.invites_raw += 1;
        }
        if let Some(call) = self.calls.by_sip_call_id.get(message.call_id()).cloned() {
            self.trace(&call, false, &received.flow, &received.raw, received.at, outputs);
        }
        let is_new = message.is_request() && message.method() != "ACK" && !self.stack.knows(&received);
        if is_new && message.method() == "INVITE" && message.to().tag.is_none() {
            return self.admit(&received, &message, now, outputs);
        }
        let stranger = is_new && !self.directory.is_known_source(&received.flow.remote.ip().to_string());
        if stranger && self.config.routing.strangers == trunkline_routing::Strangers::Silent {
            return;
        }
        self.stack_handle(&received, None, now, outputs);
    }

    pub(crate) fn stack_handle(
        &mut self,
        received: &Received,
        admitted: Option<Admitted>,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let mut actions = Vec::new();
        self.stack.handle(received, now, &mut actions);
        self.sip_actions(actions, admitted, now, outputs);
    }

    pub(crate) fn flow_closed(&mut self, flow: &Flow, why: &'static str, now: Time, outputs: &mut Vec<Output>) {
        let mut actions = Vec::new();
        self.stack.handle_closed(flow, why, &mut actions);
        self.sip_actions(actions, None, now, outputs);
    }

    /// Carries out what the stack wants. `admitted` is the decision about the INVITE it was given.
    pub(crate) fn sip_actions(
        &mut self,
        actions: Vec<Action>,
        mut admitted: Option<Admitted>,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        for action in actions {
            match action {
                Action::Send(transmit) => {
                    let call = call_id_of(&transmit.bytes).and_then(|id| self.calls.by_sip_call_id.get(id)).cloned();
                    if let Some(call) = call {
                        self.trace(&call, true, &transmit.flow, &transmit.bytes, now, outputs);
                    }
                    outputs.push(Output::Send(transmit));
                }
                Action::Event(event) => self.sip_event(event, admitted.take(), now, outputs),
            }
        }
    }

    fn sip_event(&mut self, event: Event, admitted: Option<Admitted>, now: Time, outputs: &mut Vec<Output>) {
        let Some(event) = self.outbound_event(event, now, outputs) else { return };
        let Some(event) = self.midcall_answer(event) else { return };
        match event {
            Event::Invite { invite, message, flow } => match admitted {
                Some(Admitted::Call { dispatch, explanation, raw }) => {
                    self.begin_call(invite, &message, &flow, *dispatch, explanation, &raw, now, outputs);
                }
                Some(Admitted::Refusal { status, reason }) => {
                    let (tag, mut actions) = (self.random.id(CallId::PREFIX), Vec::new());
                    self.stack.reject(&invite, &tag, status, &reason, &[], now, &mut actions);
                    self.sip_actions(actions, None, now, outputs);
                }
                None => {
                    let (tag, mut actions) = (self.random.id(CallId::PREFIX), Vec::new());
                    self.stack.reject(&invite, &tag, 403, "Forbidden", &[], now, &mut actions);
                    self.sip_actions(actions, None, now, outputs);
                }
            },
            Event::Reinvite { invite, dialog, message, flow } => match self.calls.by_dialog.get(&dialog).cloned() {
                Some(call) => {
                    self.calls.by_invite.insert(invite.clone(), call.clone());
                    if let Some(entry) = self.calls.get_mut(&call) {
                        entry.reinvite = Some(invite);
                    }
                    let timer = TimerHeaders::of(&message.headers());
                    let event = CallEvent::ReinviteReceived { sdp: message.sdp(), source: flow.remote, timer };
                    self.events.push_back((call, event));
                }
                None => {
                    let mut actions = Vec::new();
                    let gone = "Call/Transaction Does Not Exist";
                    self.stack.reject(&invite, &dialog.local_tag, 481, gone, &[], now, &mut actions);
                    self.sip_actions(actions, None, now, outputs);
                }
            },
            Event::Request { request, dialog, message, .. } => {
                self.request_received(&request, dialog.as_ref(), &message, now, outputs);
            }
            Event::Cancelled { invite, message } => {
                if let Some(call) = self.calls.by_invite.get(&invite).cloned() {
                    let reason = message.as_ref().and_then(reason_of);
                    self.events.push_back((call, CallEvent::Cancelled { reason }));
                }
            }
            Event::Acked { dialog, message } => self.dialog_event(&dialog, CallEvent::Acked { sdp: message.sdp() }),
            Event::NeverAcked { dialog } => self.dialog_event(&dialog, CallEvent::NeverAcked),
            Event::Response { client, message } => {
                if let Some(status) = message.status()
                    && let Some(call) = self.calls.by_client.remove(&client)
                {
                    self.events.push_back((call, CallEvent::ByeAnswered { status }));
                }
            }
            Event::Failed { client, why } => {
                if let Some(call) = self.calls.by_client.remove(&client) {
                    self.events.push_back((call, CallEvent::ByeFailed { why: why.as_str() }));
                }
            }
            Event::Progress { .. } | Event::Answered { .. } | Event::Refused { .. } => {}
        }
    }

    fn dialog_event(&mut self, dialog: &DialogId, event: CallEvent) {
        if let Some(call) = self.calls.by_dialog.get(dialog) {
            self.events.push_back((call.clone(), event));
        }
    }

    fn request_received(
        &mut self,
        request: &RequestId,
        dialog: Option<&DialogId>,
        message: &Message,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let call = dialog.and_then(|d| self.calls.by_dialog.get(d)).cloned();
        if let (Some(call), "BYE") = (&call, message.method())
            && let Some(entry) = self.calls.get_mut(call)
        {
            entry.bye = Some(request.clone());
            let reason = reason_of(message);
            self.events.push_back((call.clone(), CallEvent::ByeReceived { reason }));
            return;
        }
        if let (Some(call), "INFO") = (&call, message.method()) {
            return self.info_received(call, request, message, now, outputs);
        }
        if matches!(message.method(), "UPDATE" | "NOTIFY" | "REFER") {
            return self.midcall_request(call.as_ref(), request, message, now, outputs);
        }
        let mut actions = Vec::new();
        match message.method() {
            "BYE" => self.stack.respond(request, 200, "OK", &[], None, now, &mut actions),
            "OPTIONS" if self.drain != Drain::No => {
                let headers = [("Retry-After".to_owned(), RETRY_AFTER.to_owned())];
                self.stack.respond(request, 503, "Service Unavailable", &headers, None, now, &mut actions);
            }
            "OPTIONS" => self.stack.respond(request, 200, "OK", &[], None, now, &mut actions),
            "INFO" => {
                let gone = "Call/Transaction Does Not Exist";
                self.stack.respond(request, 481, gone, &[], None, now, &mut actions);
            }
            _ => self.stack.respond(request, 405, "Method Not Allowed", &[], None, now, &mut actions),
        }
        self.sip_actions(actions, None, now, outputs);
    }
}

/// What a message says of why it was sent (RFC 3326), if it does.
fn reason_of(message: &Message) -> Option<String> {
    Some(message.header_values("Reason").join(", ")).filter(|reason| !reason.is_empty())
}

impl Exchange {
    /// An INFO of a call (RFC 6086): a key, or something nobody here understands.
    fn info_received(
        &mut self,
        call: &CallId,
        request: &RequestId,
        message: &Message,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let mut actions = Vec::new();
        let kind = message.content_type().unwrap_or_default();
        match key(&kind, &message.body()) {
            Some((code, digit)) => {
                if let Some(leg) = self.calls.get(call).map(|entry| entry.call.facts().leg()) {
                    let fact = MediaFact::Dtmf { leg, code, digit: Some(digit) };
                    self.events.push_back((call.clone(), CallEvent::Media(fact)));
                }
                self.stack.respond(request, 200, "OK", &[], None, now, &mut actions);
            }
            // An INFO without a body asks whether the dialog is alive.
            None if message.body().is_empty() => {
                self.stack.respond(request, 200, "OK", &[], None, now, &mut actions);
            }
            None => {
                let accept = [("Accept".to_owned(), "application/dtmf-relay, application/dtmf".to_owned())];
                self.stack.respond(request, 415, "Unsupported Media Type", &accept, None, now, &mut actions);
            }
        }
        self.sip_actions(actions, None, now, outputs);
    }
}

/// What admission decided about an INVITE before the stack took it.
pub(crate) enum Admitted {
    /// A call.
    Call {
        dispatch: Box<Dispatch>,
        explanation: trunkline_call::record::Explanation,
        /// The INVITE's bytes and arrival, for the ladder.
        raw: Box<Received>,
    },
    /// A refusal with a transaction, for peers that are known.
    Refusal { status: u16, reason: String },
}
