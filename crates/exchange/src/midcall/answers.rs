//! What is answered to our requests in the middle of calls.

use super::Asked;
use crate::Exchange;
use trunkline_call::{Event as CallEvent, session_timer::TimerHeaders};
use trunkline_sip::{Event, Message};
use trunkline_types::CallId;

impl Exchange {
    /// Takes the answer to a request of ours in the middle of a call; gives back what is none.
    pub(crate) fn midcall_answer(&mut self, event: Event) -> Option<Event> {
        let client = match &event {
            Event::Progress { client, .. } => {
                return Some(event.clone()).filter(|_| !self.calls.by_asked.contains_key(client));
            }
            Event::Answered { client, .. }
            | Event::Refused { client, .. }
            | Event::Response { client, .. }
            | Event::Failed { client, .. } => client.clone(),
            _ => return Some(event),
        };
        let Some((call, asked)) = self.calls.by_asked.remove(&client) else { return Some(event) };
        let told = match event {
            Event::Answered { message, .. } => {
                Some(CallEvent::ReinviteAnswered { sdp: message.sdp(), timer: TimerHeaders::of(&message.headers()) })
            }
            Event::Refused { message, .. } => self.reinvite_refused(&call, &message),
            Event::Response { message, .. } => response(asked, &message),
            Event::Failed { why, .. } => match asked {
                Asked::Reinvite => {
                    let (status, reason) = (408, why.as_str().to_owned());
                    Some(CallEvent::ReinviteRefused { status, reason, wait: Default::default() })
                }
                Asked::Update => Some(CallEvent::UpdateAnswered { status: 408, timer: TimerHeaders::default() }),
                Asked::Refer => Some(CallEvent::ReferFailed { why: why.as_str() }),
                Asked::Info | Asked::Notify => None,
            },
            _ => None,
        };
        self.events.extend(told.map(|told| (call, told)));
        None
    }

    fn reinvite_refused(&mut self, call: &CallId, message: &Message) -> Option<CallEvent> {
        let status = message.status()?;
        let dialog = self.calls.get(call).and_then(|entry| entry.dialog.clone());
        let wait = dialog.map(|dialog| self.stack.glare_wait(&dialog)).unwrap_or_default();
        Some(CallEvent::ReinviteRefused { status, reason: message.reason().to_owned(), wait })
    }
}

fn response(asked: Asked, message: &Message) -> Option<CallEvent> {
    let status = message.status()?;
    match asked {
        Asked::Update => Some(CallEvent::UpdateAnswered { status, timer: TimerHeaders::of(&message.headers()) }),
        Asked::Refer => {
            let unsubscribed = message.header("Refer-Sub").is_some_and(|value| is_false(&value));
            Some(CallEvent::ReferAnswered { status, reason: message.reason().to_owned(), subscribed: !unsubscribed })
        }
        Asked::Reinvite | Asked::Info | Asked::Notify => None,
    }
}

fn is_false(value: &str) -> bool {
    value.split(';').next().is_some_and(|value| value.trim().eq_ignore_ascii_case("false"))
}
