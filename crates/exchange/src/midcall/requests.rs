//! UPDATE, NOTIFY and REFER of the far end.

use super::sipfrag::{notified, refer_event};
use crate::{Exchange, Output};
use trunkline_call::{Event, session_timer::TimerHeaders};
use trunkline_sip::{Address, HeaderList, Message, RequestId};
use trunkline_types::{CallId, Pii, Time};

/// A status, its phrase and headers.
type Answer = (u16, &'static str, HeaderList);

impl Exchange {
    /// A request in the middle of a call, or one that belongs to none.
    pub(crate) fn midcall_request(
        &mut self,
        call: Option<&CallId>,
        request: &RequestId,
        message: &Message,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let answer = match (call, message.method()) {
            (Some(call), "UPDATE") => self.update_received(call, request, message),
            (Some(call), "NOTIFY") => Some(self.notify_received(call, message)),
            (Some(call), "REFER") => self.refer_received(call, request, message),
            // Nobody is referred outside a call.
            (None, "REFER") => Some((403, "Forbidden", Vec::new())),
            _ => Some((481, "Call/Transaction Does Not Exist", Vec::new())),
        };
        if let Some((status, reason, headers)) = answer {
            let mut actions = Vec::new();
            self.stack.respond(request, status, reason, &headers, None, now, &mut actions);
            self.sip_actions(actions, None, now, outputs);
        }
    }

    fn update_received(&mut self, call: &CallId, request: &RequestId, message: &Message) -> Option<Answer> {
        if !message.body().is_empty() && message.sdp().is_none() {
            let accept = vec![("Accept".to_owned(), "application/sdp".to_owned())];
            return Some((415, "Unsupported Media Type", accept));
        }
        let timer = TimerHeaders::of(&message.headers());
        let event = Event::UpdateReceived { request: request.clone(), sdp: message.sdp(), timer };
        self.events.push_back((call.clone(), event));
        None
    }

    /// Answered at once, whatever the call makes of it.
    fn notify_received(&mut self, call: &CallId, message: &Message) -> Answer {
        let known = vec![("Allow-Events".to_owned(), "refer".to_owned())];
        let about = message.header("Event").and_then(|event| refer_event(&event));
        let Some(id) = about else { return (489, "Bad Event", known) };
        let Some(first) = self.calls.get(call).and_then(|entry| entry.refer_cseq) else {
            return (481, "Subscription Does Not Exist", Vec::new());
        };
        let Some(notified) = notified(message.header("Subscription-State").as_deref(), &message.body()) else {
            return (400, "Bad sipfrag", Vec::new());
        };
        // A smaller number is that of a REFER before the last; a REFER with credentials has a higher one.
        if id.is_none_or(|id| id >= first) {
            self.events.push_back((call.clone(), Event::ReferNotified(notified)));
        }
        (200, "OK", Vec::new())
    }

    fn refer_received(&mut self, call: &CallId, request: &RequestId, message: &Message) -> Option<Answer> {
        let Some(value) = message.header("Refer-To") else { return Some((400, "Refer-To is missing", Vec::new())) };
        let target = Address::parse(&value).uri.text;
        let event = Event::ReferReceived { request: request.clone(), cseq: message.cseq(), target: Pii(target) };
        self.events.push_back((call.clone(), event));
        None
    }
}
