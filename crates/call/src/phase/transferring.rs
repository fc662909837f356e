//! A caller is moved on: the ways of [`Transfer`](crate::transfer) carried out in an answered call.

use super::{
    Ending, Phase,
    active::{Active, tell},
};
use crate::{
    Effect, Facts, SipCommand, TransferNews,
    headers::{self, Carrier},
    midcall::{LEAVES_WITHIN, Referred},
    transfer::{
        Attempt, Failure, Method, Notified, Progress, Transfer, TransferOrder, TransferOutcome, TransferRecord,
    },
};
use std::collections::BTreeMap;
use trunkline_sip::RequestId;
use trunkline_types::{EndReason, Pii, Time, limits};

impl Active {
    /// Begins a transfer; the owner takes care that there is one at a time.
    pub(super) fn transfer(
        mut self: Box<Self>,
        order: TransferOrder,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        if facts.transfer.is_some() || self.mid.leave_at.is_some() {
            return Phase::Active(self);
        }
        let kept = &mut facts.record.transfers;
        if kept.len() >= limits::TRANSFERS_KEPT {
            kept.remove(0);
        }
        kept.push(TransferRecord {
            id: order.id.clone(),
            target: order.target.0.clone(),
            started_at_ms: now.unix_millis(),
            ended_at_ms: None,
            outcome: None,
            sip_status: None,
            attempts: Vec::new(),
        });
        let told = [
            ("trunkline.transferId", order.id.as_str()),
            ("trunkline.transferStatus", "ongoing"),
            ("trunkline.transferReason", ""),
            ("trunkline.transferStatusCode", ""),
            ("trunkline.transferMethod", ""),
        ];
        let told = told.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        facts.transfer = Some(Box::new(Transfer::new(order, now)));
        tell(told, facts, now, effects);
        effects.push(Effect::Transfer(TransferNews::Started(facts.snapshot())));
        self.sound(facts, effects);
        self.next_way(facts, now, effects)
    }

    /// Tries the next way, or gives up.
    fn next_way(mut self: Box<Self>, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) -> Phase {
        let Some(transfer) = &mut facts.transfer else { return Phase::Active(self) };
        let (method, target) = (transfer.next_method(now), transfer.order.target.clone());
        let timeout = transfer.step_deadline.since(now);
        let Some(method) = method else {
            let failure = transfer.failure.take();
            decided(failure_or_nothing(failure), facts, now, effects);
            self.sound(facts, effects);
            return Phase::Active(self);
        };
        facts.last_headers = if method == Method::Refer { transfer.order.headers.clone() } else { Vec::new() };
        if let Some(record) = facts.record.transfers.last_mut() {
            record.attempts.push(Attempt { method, text: String::new() });
        }
        tell(one("trunkline.transferMethod", method.as_str()), facts, now, effects);
        match method {
            Method::Refer => {
                // Always a name-addr: without the brackets parameters of the URI would be the header's.
                let mut all = vec![("Refer-To".to_owned(), format!("<{}>", target.0))];
                all.extend(headers::build(facts, Carrier::Refer, Ok(()), now));
                effects.push(Effect::Sip(SipCommand::Refer { headers: all }));
            }
            Method::Bridge if self.mid.referred.is_some() => {
                let text = "the far end is having somebody called itself".to_owned();
                let failure = Failure { outcome: TransferOutcome::Rejected, status: None, text };
                return self.way_failed(failure, facts, now, effects);
            }
            Method::Bridge => effects.push(Effect::Bridge { target, timeout }),
            Method::ByeHeaders => {
                decided(Ok((None, "hung up with the headers".into())), facts, now, effects);
                let text = "hung up with headers for the far end to route by";
                return self.hang_up(EndReason::Transferred, text, facts, now, effects);
            }
            Method::Agent => {
                attempt_ended(facts, "the agent is told, and the call goes on");
                return self.next_way(facts, now, effects);
            }
        }
        Phase::Active(self)
    }

    /// Something was heard of the way under way.
    pub(super) fn progressed(
        mut self: Box<Self>,
        progress: Option<Progress>,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        match progress {
            None | Some(Progress::Going) => Phase::Active(self),
            Some(Progress::Failed(failure)) => self.way_failed(failure, facts, now, effects),
            Some(Progress::Done(status)) => {
                let bridged = facts.transfer.as_ref().is_some_and(|transfer| transfer.is_bridging());
                let text = if bridged { "the target has joined the room" } else { "the far end was transferred" };
                decided(Ok((status, text.into())), facts, now, effects);
                if bridged {
                    self.sound(facts, effects);
                } else {
                    self.mid.leave_at = Some(now + LEAVES_WITHIN);
                }
                Phase::Active(self)
            }
        }
    }

    fn way_failed(self: Box<Self>, failure: Failure, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) -> Phase {
        effects.push(Effect::Log(format!("a way of the transfer failed: {}", failure.outcome.as_str())));
        attempt_ended(facts, &failure.text);
        if let Some(transfer) = &mut facts.transfer {
            transfer.failure = Some(failure);
        }
        self.next_way(facts, now, effects)
    }

    pub(super) fn step_timed_out(self: Box<Self>, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) -> Phase {
        match facts.transfer.as_ref().map(|transfer| transfer.timed_out()) {
            Some(failure) => self.way_failed(failure, facts, now, effects),
            None => Phase::Active(self),
        }
    }

    /// A NOTIFY of the far end. One that comes after we gave up counts as well: the far end has
    /// gone, whatever we have answered.
    pub(super) fn notified(
        mut self: Box<Self>,
        notified: &Notified,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        if let Some(transfer) = &mut facts.transfer {
            let progress = transfer.notified(notified);
            return self.progressed(Some(progress), facts, now, effects);
        }
        let succeeded = notified.status.as_ref().filter(|(status, _)| (200..300).contains(status));
        let Some(status) = succeeded else { return Phase::Active(self) };
        let given_up = |record: &&mut TransferRecord| {
            record.outcome == Some(TransferOutcome::RingingTimeout)
                && record.attempts.iter().any(|attempt| attempt.method == Method::Refer)
        };
        if facts.record.transfers.last_mut().filter(given_up).is_some() {
            decided(
                Ok((Some(status.clone()), "the far end told late that it was transferred".into())),
                facts,
                now,
                effects,
            );
            self.mid.leave_at = Some(now + LEAVES_WITHIN);
        }
        Phase::Active(self)
    }

    /// What came of calling somebody into the room.
    pub(super) fn bridged(
        mut self: Box<Self>,
        result: Result<(), (Option<(u16, String)>, String)>,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        if let Some(Referred { id }) = self.mid.referred.take() {
            // What the other one answered, in its own words (RFC 3515 §2.4.5).
            let (status, reason) = match result {
                Ok(()) => (200, "OK".into()),
                Err((answer, _)) => answer.unwrap_or_else(|| (503, "Service Unavailable".into())),
            };
            effects.push(Effect::Sip(SipCommand::Notify { id, status, reason, last: true }));
            return Phase::Active(self);
        }
        let progress = facts.transfer.as_ref().map(|transfer| transfer.bridged(result));
        self.progressed(progress, facts, now, effects)
    }

    /// The far end wants us to call somebody: refused unless the trunk allows it.
    pub(super) fn asked_to_refer(
        &mut self,
        request: RequestId,
        cseq: u32,
        target: Pii<String>,
        facts: &Facts,
        effects: &mut Vec<Effect>,
    ) {
        let (status, reason) = match facts.setup.midcall.incoming_refer {
            false => (403, "Forbidden"),
            true if self.mid.referred.is_some() || facts.transfer.is_some() => (491, "Request Pending"),
            true => (202, "Accepted"),
        };
        let (reason, headers, sdp) = (reason.to_owned(), Vec::new(), None);
        effects.push(Effect::Sip(SipCommand::Respond { request, status, reason, headers, sdp }));
        if status == 202 {
            let id = (self.mid.refers > 0).then_some(cseq);
            self.mid.refers = self.mid.refers.saturating_add(1);
            self.mid.referred = Some(Referred { id });
            effects.push(Effect::Sip(SipCommand::Notify { id, status: 100, reason: "Trying".into(), last: false }));
            effects.push(Effect::Bridge { target, timeout: limits::TRANSFER_TIMEOUT });
        }
    }

    /// BYE of the far end. If it has taken our REFER, it has gone there.
    pub(super) fn far_end_left(
        self: Box<Self>,
        reason: Option<String>,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        let referred = facts.transfer.as_ref().is_some_and(|transfer| transfer.is_referred());
        if !referred && self.mid.leave_at.is_none() {
            return Ending::far_end_hung_up(reason, facts, now, effects);
        }
        if referred {
            decided(Ok((None, "the far end took the REFER and hung up".into())), facts, now, effects);
        }
        let text = "the far end has gone where it was referred to".into();
        facts.ended(EndReason::Transferred, None, text, now);
        facts.far_reason(reason.as_deref().unwrap_or_default());
        super::ending::leave_room(facts, now, effects);
        Ending::answer_bye(facts, now, effects)
    }
}

/// The call has ended while a transfer was under way.
pub(crate) fn call_ended(facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) {
    let why = facts.record.ending.as_ref().map_or("", |ending| ending.reason.as_str());
    let text = format!("the call ended before the transfer was decided: {why}");
    let failure = Failure { outcome: TransferOutcome::CallEnded, status: None, text: text.clone() };
    attempt_ended(facts, &text);
    decided(Err(failure), facts, now, effects);
}

/// The status the far end gave, and a sentence; or why it failed.
type Decision = Result<(Option<(u16, String)>, String), Failure>;

fn failure_or_nothing(failure: Option<Failure>) -> Decision {
    Err(failure.unwrap_or_else(|| Failure {
        outcome: TransferOutcome::Rejected,
        status: None,
        text: "no way of transferring calls is open; see the option `transfer`".into(),
    }))
}

/// Writes down how the transfer went, and tells everybody.
fn decided(decision: Decision, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) {
    facts.transfer = None;
    let (outcome, status, text) = match decision {
        Ok((status, text)) => {
            attempt_ended(facts, &text);
            (TransferOutcome::Completed, status, text)
        }
        Err(Failure { outcome, status, text }) => (outcome, status, text),
    };
    if let Some(record) = facts.record.transfers.last_mut() {
        record.ended_at_ms = Some(now.unix_millis());
        record.outcome = Some(outcome);
        record.sip_status.clone_from(&status);
    }
    let succeeded = outcome == TransferOutcome::Completed;
    let told = BTreeMap::from([
        ("trunkline.transferStatus".to_owned(), if succeeded { "successful" } else { "failed" }.to_owned()),
        ("trunkline.transferReason".to_owned(), outcome.as_str().to_owned()),
        ("trunkline.transferStatusCode".to_owned(), status.map_or_else(String::new, |(code, _)| code.to_string())),
    ]);
    tell(told, facts, now, effects);
    effects.push(Effect::Transfer(TransferNews::Ended { outcome, text, record: facts.snapshot() }));
}

/// Writes down what became of the way that was tried last.
fn attempt_ended(facts: &mut Facts, text: &str) {
    let last = facts.record.transfers.last_mut().and_then(|record| record.attempts.last_mut());
    if let Some(attempt) = last.filter(|attempt| attempt.text.is_empty()) {
        text.clone_into(&mut attempt.text);
    }
}

fn one(name: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), value.to_owned())])
}
