//! A call of ours on its way: the participant is in its room and publishes, the INVITE is out, the
//! far end rings or says something before it answers.

use super::{
    Active, Ending, Phase,
    joining::{self, Leg},
};
use crate::{
    Effect, Event, Facts, Moment, RoomCommand, RoomEvent, SipCommand, attributes,
    dial::{
        DialCommand, DialEvent, DialFailure, DialNews, DialOutcome, FarAnswer, reason_of_failure, reason_of_status,
    },
    media::{LegMedia, MediaFact, MediaPlan},
    midcall::Agreed,
    negotiation::{Negotiation, Unusable},
    record::CallStatus,
    session_timer::{self, TimerHeaders},
};
use std::collections::BTreeMap;
use trunkline_types::{EndReason, Time};

/// Why a call ends whose request was given up.
pub(super) const ABANDONED: &str = "the API client that waited for the answer has gone";

/// See the module.
#[derive(Debug)]
pub(crate) struct Dialing {
    negotiation: Negotiation,
    leg: Leg,
    /// What the answer in a provisional response came to: the far end is heard already.
    early: Option<(Negotiation, LegMedia)>,
    /// The room hears a ringing tone.
    tone: bool,
    deadline: Time,
}

impl Dialing {
    /// The participant first: whoever is in the room sees that the call is being made.
    pub(crate) fn begin(facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) -> Phase {
        joining::join(facts, effects);
        let deadline = now + facts.setup.ringing_timeout.min(facts.setup.max_call_duration);
        let negotiation = Negotiation::OfferOwed;
        Phase::Dialing(Box::new(Self { negotiation, leg: Leg::Waiting, early: None, tone: false, deadline }))
    }

    pub(crate) fn deadline(&self) -> Time {
        self.deadline
    }

    pub(crate) fn handle(
        mut self: Box<Self>,
        event: Event,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        match event {
            Event::Room(RoomEvent::Joined { room, participant, identity }) => {
                self.leg = joining::joined(room, participant, identity, facts, effects);
            }
            Event::Room(RoomEvent::JoinFailed { why }) => {
                return self.fail(EndReason::Resource, why, facts, now, effects);
            }
            Event::Media(MediaFact::Opened { rtp, .. }) => return self.place(rtp.port(), facts, now, effects),
            Event::Media(MediaFact::OpenFailed { why, .. }) => {
                self.leg = Leg::Waiting;
                return self.fail(EndReason::Resource, why, facts, now, effects);
            }
            Event::Dial(DialEvent::Progress(answer)) => self.progress(&answer, facts, now, effects),
            Event::Dial(DialEvent::Answered(answer)) => return self.answered(*answer, facts, now, effects),
            Event::Dial(DialEvent::Refused(answer)) => return self.refused(&answer, facts, now, effects),
            Event::Dial(DialEvent::Failed(failure)) => return self.not_asked(failure, facts, now, effects),
            Event::Dial(DialEvent::Abandoned) => {
                return self.give_up(EndReason::EndCall, ABANDONED, false, facts, now, effects);
            }
            Event::Room(RoomEvent::Removed(reason)) => {
                let reason = super::ending::reason_of_removal(reason);
                return self.give_up(
                    reason,
                    "the room gave the call up before it was answered",
                    true,
                    facts,
                    now,
                    effects,
                );
            }
            Event::Room(RoomEvent::EndRequested { headers }) => {
                facts.last_headers = headers;
                return self.give_up(EndReason::EndCall, "given up from the room", false, facts, now, effects);
            }
            Event::UpdateReceived { request, sdp, .. } => {
                // Our own offer is open until the answer (RFC 3311 §5.2).
                let (status, reason) = if sdp.is_some() { (491, "Request Pending") } else { (200, "OK") };
                let (reason, headers) = (reason.to_owned(), Vec::new());
                effects.push(Effect::Sip(SipCommand::Respond { request, status, reason, headers, sdp: None }));
            }
            Event::ByeReceived { .. } => {
                effects.push(Effect::Sip(SipCommand::AnswerBye { headers: Vec::new() }));
                let text = "the far end hung up before it answered";
                return self.give_up(EndReason::Unavailable, text, false, facts, now, effects);
            }
            Event::Replaced => {
                let text = "another call has taken its place before it was answered";
                return self.give_up(EndReason::Replaced, text, true, facts, now, effects);
            }
            Event::ShutDown => {
                return self.give_up(EndReason::Shutdown, "the server stops", false, facts, now, effects);
            }
            Event::TimedOut if now >= self.deadline => {
                let text = format!("nobody answered within {} s", facts.setup.ringing_timeout.as_secs());
                return self.give_up(EndReason::NoAnswer, &text, false, facts, now, effects);
            }
            _ => {}
        }
        Phase::Dialing(self)
    }

    /// The leg is open: publishes, offers and calls.
    fn place(mut self: Box<Self>, port: u16, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) -> Phase {
        self.leg = Leg::Open(port);
        effects.push(Effect::Room(RoomCommand::Publish));
        let step = match Negotiation::OfferOwed.respond(&facts.setup, port) {
            Ok(step) => step,
            Err(Unusable { why, .. }) => return self.fail(EndReason::NoCommonCodec, why, facts, now, effects),
        };
        self.negotiation = step.next;
        self.tone = facts.setup.outbound.as_ref().is_some_and(|o| o.play_dialtone);
        if self.tone {
            effects.push(Effect::Media(MediaPlan::RingToRoom { leg: facts.leg(), on: true }));
        }
        effects.push(Effect::Dial(DialNews::Placed));
        effects.push(Effect::Sip(SipCommand::Dial(DialCommand::Invite { sdp: step.sdp })));
        Phase::Dialing(self)
    }

    /// 18x: it rings, or the far end has something to say before it answers.
    fn progress(&mut self, answer: &FarAnswer, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) {
        let mut changes = attributes::of_answer(&facts.setup, answer, false);
        if facts.record.ringing_at_ms.is_none() {
            facts.record.ringing_at_ms = Some(now.unix_millis());
            facts.record.status = CallStatus::Ringing;
            changes.insert("sip.callStatus".into(), "ringing".into());
            effects.push(Effect::Announce(Moment::Ringing, facts.snapshot()));
        }
        tell_room(changes, facts, now, effects);
        let Some(sdp) = &answer.sdp else { return };
        match self.negotiation.answered(sdp, &facts.setup.security) {
            Ok(Some((next, media))) => {
                self.listen(&media, facts, effects);
                self.early = Some((next, media));
            }
            Ok(None) => {}
            Err(unusable) => {
                effects.push(Effect::Log(format!("the early answer cannot be used: {}", unusable.why)));
            }
        }
    }

    /// Tells media what the answer came to, unless it knows.
    fn listen(&self, media: &LegMedia, facts: &mut Facts, effects: &mut Vec<Effect>) {
        facts.record.codec = Some(media.codec);
        if self.early.as_ref().is_none_or(|(_, known)| known != media) {
            effects.push(Effect::Media(MediaPlan::Negotiated { leg: facts.leg(), media: media.clone() }));
        }
    }

    /// 200: ACK before anything else, whatever its description is worth.
    fn answered(self: Box<Self>, answer: FarAnswer, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) -> Phase {
        effects.push(Effect::Sip(SipCommand::Dial(DialCommand::Acknowledge)));
        facts.record.answered_at_ms = Some(now.unix_millis());
        let agreed = match &answer.sdp {
            Some(sdp) => self.negotiation.answered(sdp, &facts.setup.security).map_err(|unusable| unusable.why),
            // What was agreed before the answer holds (RFC 3261 §13.2.1).
            None => match self.early.clone() {
                Some(early) => Ok(Some(early)),
                None => Err("the answer brought no description".into()),
            },
        };
        let (negotiation, media) = match agreed {
            Ok(Some(agreed)) => agreed,
            Ok(None) => return self.unusable("no offer is open", facts, now, effects),
            Err(why) => return self.unusable(&why, facts, now, effects),
        };
        self.listen(&media, facts, effects);
        let mut changes = attributes::of_answer(&facts.setup, &answer, true);
        facts.record.source = format!("{} {}", answer.transport, answer.source);
        facts.setup.headers_to_attributes.clear();
        facts.setup.invite.remote_tag = answer.remote_tag;
        facts.setup.invite.headers = answer.headers;
        facts.setup.invite.headers.retain(|(name, _)| !attributes::is_credential(name));
        if self.tone {
            effects.push(Effect::Media(MediaPlan::RingToRoom { leg: facts.leg(), on: false }));
        }
        effects.push(Effect::Media(MediaPlan::Start {
            leg: facts.leg(),
            initial_timeout: facts.setup.media_timeout_initial,
            timeout: facts.setup.media_timeout,
        }));
        let digits = facts.setup.outbound.as_mut().map(|o| std::mem::take(&mut o.dtmf)).unwrap_or_default();
        facts.record.status = CallStatus::Active;
        facts.automating = !digits.is_empty();
        let status = if facts.automating { "automation" } else { "active" };
        changes.insert("sip.callStatus".into(), status.into());
        tell_room(changes, facts, now, effects);
        facts.persist(effects);
        effects.push(Effect::Announce(Moment::Answered, facts.snapshot()));
        let port = match self.leg {
            Leg::Open(port) => port,
            Leg::Waiting | Leg::Opening => 0,
        };
        let deadline = now + facts.setup.max_call_duration;
        let (far, takes_update) =
            (&facts.setup.invite.headers, super::answering::takes_update(&facts.setup.invite.headers));
        let timer = session_timer::as_client(&TimerHeaders::of(far), now);
        let mut call =
            Box::new(Active::new(negotiation, port, deadline, Agreed { timer, takes_update, secure: false }));
        call.agreed_on(&media, facts, now, effects);
        if facts.automating {
            call.send_digits(digits, facts, now, effects);
        } else {
            effects.push(Effect::Dial(DialNews::Active));
        }
        Phase::Active(call)
    }

    /// The 200 is acknowledged, but there is nothing to talk over: BYE.
    fn unusable(self, why: &str, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) -> Phase {
        let text = format!("the far end's answer cannot be used: {why}");
        effects.push(Effect::Log(text.clone()));
        over(EndReason::NoCommonCodec, None, None, text, facts, now, effects);
        super::ending::leave_room(facts, now, effects);
        Ending::by_bye(facts, now, effects)
    }

    fn refused(self, answer: &FarAnswer, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) -> Phase {
        let reason = reason_of_status(answer.status);
        let text = format!("sip status {}: {}", answer.status, answer.text);
        let changes = attributes::of_answer(&facts.setup, answer, false);
        tell_room(changes, facts, now, effects);
        over(reason, Some((answer.status, answer.text.clone())), None, text, facts, now, effects);
        for (_, value) in answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("Reason")) {
            facts.far_reason(value);
        }
        Ending::unanswered(None, self.leg.is_opened(), facts, now, effects)
    }

    fn not_asked(self, failure: DialFailure, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) -> Phase {
        let text = failure.text();
        over(reason_of_failure(&failure), None, Some(failure), text, facts, now, effects);
        Ending::unanswered(None, self.leg.is_opened(), facts, now, effects)
    }

    /// A failure of our own, before anything was sent.
    fn fail(self, reason: EndReason, text: String, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) -> Phase {
        over(reason, None, None, text, facts, now, effects);
        Ending::unanswered(None, self.leg.is_opened(), facts, now, effects)
    }

    /// Ends the call from our side while it rings.
    fn give_up(
        self,
        reason: EndReason,
        text: &str,
        has_left: bool,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        over(reason, None, None, text.into(), facts, now, effects);
        Ending::cancelling(has_left, self.leg.is_opened(), matches!(self.leg, Leg::Open(_)), facts, now, effects)
    }
}

/// Writes down that the call failed and tells whoever asked for it.
fn over(
    reason: EndReason,
    status: Option<(u16, String)>,
    failure: Option<DialFailure>,
    text: String,
    facts: &mut Facts,
    now: Time,
    effects: &mut Vec<Effect>,
) {
    facts.ended(reason, status.as_ref().map(|(code, _)| *code), text.clone(), now);
    effects.push(Effect::Dial(DialNews::Failed(Box::new(DialOutcome { reason, status, failure, text }))));
}

fn tell_room(changes: BTreeMap<String, String>, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) {
    let changes: BTreeMap<_, _> = changes
        .into_iter()
        .filter(|(name, value)| facts.attributes.get(name).is_none_or(|held| held.value != *value))
        .collect();
    if !changes.is_empty() {
        facts.set_attributes(&changes, now);
        effects.push(Effect::Room(RoomCommand::SetAttributes(changes)));
    }
}
