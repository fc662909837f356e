//! Requests of ours in the middle of a call.

use crate::{Exchange, Output};
use bytes::Bytes;
use std::time::Duration;
use trunkline_call::{Event, SipCommand};
use trunkline_sip::{Action, DialogId, Message};
use trunkline_types::{CallId, Time};

/// What a request of ours in the middle of a call was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Reinvite,
    Update,
    Refer,
    Info,
    Notify,
}

/// Without a number to go by, how long a re-INVITE waits that met another.
const GLARE: Duration = Duration::from_secs(1);

impl Exchange {
    /// Sends what the call asks of its far end.
    pub(crate) fn call_asks(&mut self, id: &CallId, command: SipCommand, now: Time, outputs: &mut Vec<Output>) {
        let Some(dialog) = self.calls.get(id).and_then(|entry| entry.dialog.clone()) else {
            return self.unasked(id, &command, None);
        };
        let mut actions = Vec::new();
        let asked = match &command {
            SipCommand::Reinvite { headers, sdp } => {
                let body = Some(("application/sdp", Bytes::from(sdp.clone())));
                let client = self.stack.reinvite(&dialog, headers, body, now, &mut actions);
                client.map(|client| (client, Asked::Reinvite))
            }
            SipCommand::Acknowledge => {
                self.stack.acknowledge(&dialog, None, now, &mut actions);
                return self.sip_actions(actions, None, now, outputs);
            }
            SipCommand::Update { headers } => {
                let client = self.stack.request(&dialog, "UPDATE", headers, None, now, &mut actions);
                client.map(|client| (client, Asked::Update))
            }
            SipCommand::Refer { headers } => {
                let client = self.stack.request(&dialog, "REFER", headers, None, now, &mut actions);
                if let Some(entry) = self.calls.get_mut(id) {
                    entry.refer_cseq = cseq_of(&actions).or(entry.refer_cseq);
                }
                client.map(|client| (client, Asked::Refer))
            }
            SipCommand::Info { digit } => {
                let body = Bytes::from(format!("Signal={digit}\r\nDuration=160\r\n"));
                let body = Some(("application/dtmf-relay", body));
                let client = self.stack.request(&dialog, "INFO", &[], body, now, &mut actions);
                client.map(|client| (client, Asked::Info))
            }
            SipCommand::Notify { id, status, reason, last } => {
                let event = id.map_or_else(|| "refer".to_owned(), |id| format!("refer;id={id}"));
                let state = if *last { "terminated;reason=noresource" } else { "active;expires=60" };
                let headers = [("Event".to_owned(), event), ("Subscription-State".to_owned(), state.to_owned())];
                let body = Bytes::from(format!("SIP/2.0 {status} {reason}\r\n"));
                let body = Some(("message/sipfrag;version=2.0", body));
                let client = self.stack.request(&dialog, "NOTIFY", &headers, body, now, &mut actions);
                client.map(|client| (client, Asked::Notify))
            }
            _ => return,
        };
        match asked {
            Some((client, asked)) => {
                self.calls.by_asked.insert(client, (id.clone(), asked));
            }
            None => self.unasked(id, &command, Some(&dialog)),
        }
        self.sip_actions(actions, None, now, outputs);
    }

    /// Tells the call that its request could not be sent.
    fn unasked(&mut self, id: &CallId, command: &SipCommand, dialog: Option<&DialogId>) {
        let event = match (command, dialog) {
            (SipCommand::Reinvite { .. }, Some(dialog)) => {
                let wait = self.stack.glare_wait(dialog);
                Event::ReinviteRefused { status: 491, reason: "Request Pending".into(), wait }
            }
            (SipCommand::Reinvite { .. }, None) => {
                Event::ReinviteRefused { status: 481, reason: "there is no dialog".into(), wait: GLARE }
            }
            (SipCommand::Refer { .. }, _) => Event::ReferFailed { why: "there is no dialog" },
            (SipCommand::Update { .. }, _) => Event::UpdateAnswered { status: 481, timer: Default::default() },
            _ => return,
        };
        self.events.push_back((id.clone(), event));
    }
}

/// The number of the request that is being sent.
fn cseq_of(actions: &[Action]) -> Option<u32> {
    actions.iter().find_map(|action| match action {
        Action::Send(transmit) => Message::parse(transmit.bytes.clone()).ok().map(|message| message.cseq()),
        Action::Event(_) => None,
    })
}
