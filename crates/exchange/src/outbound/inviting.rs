//! The INVITE of a call out: one target after the other, and what each of them answers.

use super::{outcome::text_of, redirecting, securing::expect};
use crate::{Exchange, Output};
use std::time::Duration;
use trunkline_call::{
    Event as CallEvent,
    dial::{DialCommand, DialEvent, DialFailure, FarAnswer},
    session_timer,
};
use trunkline_sip::{ClientId, Credentials, DialogId, Event, HeaderList, Message, Outgoing, Unanswered, flow::Flow};
use trunkline_types::{CallId, Time, is_reserved_header, limits};

/// How long a target may be silent while another one is left, milliseconds.
const NEXT_TARGET_AFTER_MS: u32 = 2_000;
/// How long a target that failed is tried last.
const AVOIDED: Duration = Duration::from_secs(30);
/// The longest `Retry-After` that is honoured.
const LONGEST_RETRY_AFTER: u64 = 3_600;

impl Exchange {
    /// What a call out wants sent.
    pub(crate) fn dial_sip(&mut self, id: &CallId, command: DialCommand, now: Time, outputs: &mut Vec<Output>) {
        let mut actions = Vec::new();
        match command {
            DialCommand::Invite { sdp } => {
                if let Some(leg) = self.outbound.legs.get_mut(id) {
                    leg.sdp = sdp;
                }
                return self.locate_far_end(id, now, outputs);
            }
            DialCommand::Cancel { headers } => {
                self.outbound.next_at(id, None);
                let client = self.outbound.legs.get_mut(id).and_then(|leg| {
                    leg.cancelled = true;
                    leg.client.clone()
                });
                match client {
                    Some(client) => self.stack.cancel(&client, &headers, now, &mut actions),
                    None => {
                        self.outbound.questions.forget(id);
                        self.dial_failed(id, DialFailure::NothingSent, now, outputs);
                    }
                }
            }
            DialCommand::Acknowledge => {
                if let Some(dialog) = self.calls.get(id).and_then(|entry| entry.dialog.clone()) {
                    self.stack.acknowledge(&dialog, None, now, &mut actions);
                }
            }
        }
        self.sip_actions(actions, None, now, outputs);
    }

    /// Asks the next target; the call has failed if none is left.
    pub(super) fn try_next_target(&mut self, id: &CallId, now: Time, outputs: &mut Vec<Output>) {
        let Some(leg) = self.outbound.legs.get_mut(id) else { return };
        let Some(target) = leg.targets.pop_front() else {
            let event = match leg.refusal.take() {
                Some(refusal) => DialEvent::Refused(refusal),
                None => DialEvent::Failed(DialFailure::Silent),
            };
            return self.failed_there(id, event, now, outputs);
        };
        let flow = self.outbound.own.flow_to(target.protocol, target.address);
        expect(&target, leg.plan.own_peer.then_some(&leg.plan.options), outputs);
        leg.current = Some(target);
        let (is_last, client, begun) = (leg.targets.is_empty(), leg.client.clone(), leg.begun);
        let after = leg.plan.options.next_target_after_ms.unwrap_or(NEXT_TARGET_AFTER_MS).max(1);
        let Some(flow) = flow else {
            return self.dial_failed(id, DialFailure::Unreachable("no socket".into()), now, outputs);
        };
        let mut actions = Vec::new();
        match client {
            Some(client) => self.stack.retarget(&client, flow, now, &mut actions),
            None => {
                // Every attempt has room for its answers to challenges.
                let cseq = begun.saturating_mul(10).saturating_add(1);
                let Some(outgoing) = self.outgoing(id, flow) else { return };
                let client = self.stack.invite_from(outgoing, cseq, now, &mut actions);
                self.outbound.by_client.insert(client.clone(), id.clone());
                if let Some(leg) = self.outbound.legs.get_mut(id) {
                    leg.client = Some(client);
                    leg.begun = leg.begun.saturating_add(1);
                }
            }
        }
        self.outbound.next_at(id, (!is_last).then(|| now + Duration::from_millis(after.into())));
        self.sip_actions(actions, None, now, outputs);
    }

    fn outgoing(&self, id: &CallId, flow: Flow) -> Option<Outgoing> {
        let leg = self.outbound.legs.get(id)?;
        let facts = self.calls.get(id)?.call.facts();
        let (plan, trunk) = (&leg.plan, &leg.plan.trunk);
        let credentials =
            (plan.own_peer && !trunk.auth_username.is_empty() && !trunk.auth_password.is_empty()).then(|| {
                Credentials {
                    username: trunk.auth_username.clone(),
                    password: trunk.auth_password.clone(),
                    peers: leg.peers.clone(),
                }
            });
        let mut headers: HeaderList = plan
            .headers
            .iter()
            .filter(|(name, _)| !is_reserved_header(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        // That we support timers stands in every INVITE.
        let timer = session_timer::offered(leg.session_expires).into_iter();
        headers.extend(timer.filter(|(name, _)| name != "Supported"));
        Some(Outgoing {
            call_id: facts.setup.invite.call_id.clone(),
            local_tag: id.to_string(),
            request_uri: plan.request_uri.clone(),
            from: plan.from.replace("{host}", &self.outbound.own.host(&flow)),
            to: plan.to.clone(),
            routes: plan.routes.clone(),
            headers,
            body: Some(("application/sdp".into(), leg.sdp.clone().into_bytes().into())),
            flow,
            credentials,
        })
    }

    /// What is due by time: the next target of a call, a probe, a registration.
    pub(crate) fn outbound_tick(&mut self, now: Time, outputs: &mut Vec<Output>) {
        for id in self.outbound.due(now) {
            let client = self.outbound.legs.get(&id).and_then(|leg| leg.client.as_ref());
            if client.is_some_and(|client| self.stack.is_proceeding(client)) {
                continue;
            }
            let silent = self.outbound.legs.get(&id).and_then(|leg| leg.current.clone());
            if let Some(target) = silent {
                self.outbound.health.failed(&target, now + AVOIDED);
            }
            self.try_next_target(&id, now, outputs);
        }
        self.probe_targets(now, outputs);
        self.registrations_tick(now, outputs);
    }

    /// Takes what is about calls out; gives back what is not.
    pub(crate) fn outbound_event(&mut self, event: Event, now: Time, outputs: &mut Vec<Output>) -> Option<Event> {
        match event {
            Event::Progress { client, dialog, message } if self.outbound.by_client.contains_key(&client) => {
                if let Some(id) = self.outbound.by_client.get(&client).cloned() {
                    self.outbound.next_at(&id, None);
                    self.target_answered(&id);
                    self.early_dialog(&id, dialog);
                    let answer = self.far_answer(&id, &message, None);
                    self.events.push_back((id, CallEvent::Dial(DialEvent::Progress(Box::new(answer)))));
                }
                None
            }
            Event::Answered { client, dialog, message, flow } if self.outbound.by_client.contains_key(&client) => {
                if let Some(id) = self.invite_over(&client) {
                    self.target_answered(&id);
                    self.no_early_dialogs(&id);
                    let answer = self.far_answer(&id, &message, Some(&flow));
                    self.calls.by_dialog.insert(dialog.clone(), id.clone());
                    if let Some(entry) = self.calls.get_mut(&id) {
                        entry.dialog = Some(dialog);
                    }
                    self.events.push_back((id, CallEvent::Dial(DialEvent::Answered(Box::new(answer)))));
                }
                None
            }
            Event::Refused { client, message } if self.outbound.by_client.contains_key(&client) => {
                if let Some(id) = self.invite_over(&client) {
                    self.invite_refused(&id, &message, now, outputs);
                }
                None
            }
            Event::Failed { client, why } if self.outbound.by_client.contains_key(&client) => {
                if let Some(id) = self.invite_over(&client) {
                    self.invite_failed(&id, why, now, outputs);
                }
                None
            }
            other => self.trunk_event(other, now, outputs),
        }
    }

    /// The early dialogs are over.
    pub(super) fn no_early_dialogs(&mut self, id: &CallId) {
        let early = self.outbound.legs.get_mut(id).map(|leg| std::mem::take(&mut leg.early)).unwrap_or_default();
        for dialog in early {
            self.calls.by_dialog.remove(&dialog);
        }
    }

    /// Requests of the far end in an early dialog are the call's.
    fn early_dialog(&mut self, id: &CallId, dialog: Option<DialogId>) {
        if let (Some(dialog), Some(leg)) = (dialog, self.outbound.legs.get_mut(id))
            && !leg.early.contains(&dialog)
            && leg.early.len() < limits::FORKS
        {
            leg.early.push(dialog.clone());
            self.calls.by_dialog.insert(dialog, id.clone());
        }
    }

    /// The transaction has ended; the call goes on by what follows.
    fn invite_over(&mut self, client: &ClientId) -> Option<CallId> {
        let id = self.outbound.by_client.remove(client)?;
        self.outbound.next_at(&id, None);
        if let Some(leg) = self.outbound.legs.get_mut(&id) {
            leg.client = None;
        }
        Some(id)
    }

    fn target_answered(&mut self, id: &CallId) {
        if let Some(target) = self.outbound.legs.get(id).and_then(|leg| leg.current.as_ref()) {
            self.outbound.health.works(target);
        }
    }

    fn invite_refused(&mut self, id: &CallId, message: &Message, now: Time, outputs: &mut Vec<Output>) {
        let answer = Box::new(self.far_answer(id, message, None));
        let Some(leg) = self.outbound.legs.get_mut(id) else {
            self.events.push_back((id.clone(), CallEvent::Dial(DialEvent::Refused(answer))));
            return;
        };
        let goes_on = !leg.cancelled;
        if answer.status == 503 {
            if let Some(target) = leg.current.take() {
                let wait = message.header("Retry-After").and_then(|value| retry_after(&value));
                self.outbound.health.failed(&target, now + wait.unwrap_or(AVOIDED));
            }
            if goes_on && !leg.targets.is_empty() {
                leg.refusal = Some(answer);
                return self.try_next_target(id, now, outputs);
            }
        } else if answer.status == 422 && goes_on && leg.lengthen(message) {
            return self.same_target_again(id, now, outputs);
        } else {
            if goes_on {
                redirecting::note(leg, answer.status, message);
            }
            self.target_answered(id);
        }
        self.failed_there(id, DialEvent::Refused(answer), now, outputs);
    }

    /// The same target, with what it wants.
    fn same_target_again(&mut self, id: &CallId, now: Time, outputs: &mut Vec<Output>) {
        if let Some(leg) = self.outbound.legs.get_mut(id)
            && let Some(target) = leg.current.take()
        {
            leg.targets.push_front(target);
        }
        self.try_next_target(id, now, outputs);
    }

    fn invite_failed(&mut self, id: &CallId, why: Unanswered, now: Time, outputs: &mut Vec<Output>) {
        let Some(leg) = self.outbound.legs.get_mut(id) else {
            return self.dial_failed(id, DialFailure::Silent, now, outputs);
        };
        // What follows our own CANCEL says nothing about the target.
        if let Some(target) = leg.current.take().filter(|_| !leg.cancelled) {
            self.outbound.health.failed(&target, now + AVOIDED);
        }
        if !leg.cancelled && !leg.targets.is_empty() {
            return self.try_next_target(id, now, outputs);
        }
        let event = match leg.refusal.take() {
            Some(refusal) => DialEvent::Refused(refusal),
            None if why == Unanswered::Silent => DialEvent::Failed(DialFailure::Silent),
            None => DialEvent::Failed(DialFailure::Unreachable(why.as_str().into())),
        };
        self.failed_there(id, event, now, outputs);
    }

    fn far_answer(&self, id: &CallId, message: &Message, flow: Option<&Flow>) -> FarAnswer {
        let current = self.outbound.legs.get(id).and_then(|leg| leg.current.as_ref());
        let (transport, source) = match (flow, current) {
            (Some(flow), _) => (flow.protocol.as_str(), flow.remote),
            (None, Some(target)) => (target.protocol.as_str(), target.address),
            (None, None) => ("", std::net::SocketAddr::from(([0, 0, 0, 0], 0))),
        };
        FarAnswer {
            status: message.status().unwrap_or_default(),
            text: text_of(message),
            headers: message.headers(),
            remote_tag: message.to().tag.unwrap_or_default(),
            sdp: message.sdp(),
            transport,
            source,
        }
    }
}

/// Seconds of `Retry-After`, without its comment and parameters.
pub(super) fn retry_after(value: &str) -> Option<Duration> {
    let digits: String = value.trim().chars().take_while(char::is_ascii_digit).collect();
    Some(Duration::from_secs(digits.parse::<u64>().ok()?.clamp(1, LONGEST_RETRY_AFTER)))
}
