//! 180 is out: the call joins its room, its media leg is opened, somebody may take it.

use super::{
    Answering, Ending, Phase,
    joining::{self, Leg},
};
use crate::{
    Effect, Event, Facts, Moment, RoomCommand, RoomEvent, SipCommand,
    media::MediaFact,
    negotiation::{Negotiation, Unusable},
    record::CallStatus,
    session_timer::{self, TimerHeaders, Verdict},
};
use trunkline_types::{EndReason, Time, policy::AnswerPolicy};

/// See the module.
#[derive(Debug)]
pub(crate) struct Ringing {
    negotiation: Negotiation,
    leg: Leg,
    /// Somebody's audio is subscribed.
    audible: bool,
    deadline: Time,
    /// If no agent has come by then; `None` for no such limit.
    agent_deadline: Option<Time>,
}

impl Ringing {
    /// 180 first: nothing the room or the media threads do can delay it.
    pub(crate) fn begin(facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) -> Result<Phase, Unusable> {
        let negotiation = acceptable(facts, now)?;
        if facts.setup.pin.is_some() {
            return Ok(super::Prompting::begin(negotiation, facts, now, effects));
        }
        facts.record.ringing_at_ms = Some(now.unix_millis());
        effects.push(Effect::Sip(SipCommand::Ring));
        joining::join(facts, effects);
        let deadline = now + facts.setup.ringing_timeout;
        let agent_timeout = facts.setup.agent_timeout;
        let agent_deadline = (!agent_timeout.is_zero()).then(|| now + agent_timeout);
        Ok(Phase::Ringing(Box::new(Self { negotiation, leg: Leg::Waiting, audible: false, deadline, agent_deadline })))
    }

    pub(crate) fn deadline(&self, facts: &Facts) -> Time {
        self.waits_for_agent(facts).map_or(self.deadline, |at| at.min(self.deadline))
    }

    /// Until when an agent has to come, if none has.
    fn waits_for_agent(&self, facts: &Facts) -> Option<Time> {
        self.agent_deadline.filter(|_| !facts.agents.seen)
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
                effects.push(Effect::Announce(Moment::Ringing, facts.snapshot()));
            }
            Event::Room(RoomEvent::JoinFailed { why }) => {
                return self.refuse(503, "Service Unavailable", EndReason::Resource, why, facts, now, effects);
            }
            Event::Room(RoomEvent::AudioSubscribed) => self.audible = true,
            Event::Room(RoomEvent::Removed(reason)) => {
                let reason = super::ending::reason_of_removal(reason);
                let text = "the room gave the call up before anybody took it".into();
                facts.ended(reason, Some(480), text, now);
                return Ending::unanswered_outside_room(
                    Some((480, "Temporarily Unavailable")),
                    self.leg.is_opened(),
                    facts,
                    now,
                    effects,
                );
            }
            Event::Media(MediaFact::Opened { rtp, .. }) => {
                self.leg = Leg::Open(rtp.port());
                effects.push(Effect::Room(RoomCommand::Publish));
            }
            Event::Media(MediaFact::OpenFailed { why, .. }) => {
                self.leg = Leg::Waiting;
                return self.refuse(503, "Service Unavailable", EndReason::Resource, why, facts, now, effects);
            }
            Event::Media(MediaFact::Dtmf { .. }) => {}
            Event::Cancelled { reason } | Event::ByeReceived { reason } => {
                facts.cancelled(reason, now);
                return Ending::unanswered(None, self.leg.is_opened(), facts, now, effects);
            }
            Event::TimedOut if self.waits_for_agent(facts).is_some_and(|at| now >= at) => {
                let text = format!("no agent came within {} ms", facts.setup.agent_timeout.as_millis());
                return self.not_taken(EndReason::NoAgent, text, facts, now, effects);
            }
            Event::TimedOut if now >= self.deadline => {
                let seconds = facts.setup.ringing_timeout.as_secs();
                let text = format!("nobody in the room took the call within {seconds} s");
                return self.not_taken(EndReason::RingingTimeout, text, facts, now, effects);
            }
            Event::Room(RoomEvent::EndRequested { headers }) => {
                facts.last_headers = headers;
                let text = "refused from the room".to_owned();
                return self.refuse(486, "Busy Here", EndReason::EndCall, text, facts, now, effects);
            }
            Event::ShutDown => {
                let text = "the server stops".to_owned();
                return self.refuse(503, "Service Unavailable", EndReason::Shutdown, text, facts, now, effects);
            }
            _ => {}
        }
        self.answer_if_due(facts, now, effects)
    }

    /// Nobody took it, and the operator shall read why.
    fn not_taken(
        &self,
        reason: EndReason,
        text: String,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        let (status, text) = (facts.setup.no_answer_status, facts.with_reason(text));
        effects.push(Effect::Log(format!("refused with {status}: {text}")));
        self.refuse(status, "Temporarily Unavailable", reason, text, facts, now, effects)
    }

    #[expect(clippy::too_many_arguments, reason = "what a refusal says, to whom and when")]
    fn refuse(
        &self,
        status: u16,
        phrase: &str,
        reason: EndReason,
        text: String,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        facts.ended(reason, Some(status), text, now);
        Ending::unanswered(Some((status, phrase)), self.leg.is_opened(), facts, now, effects)
    }

    fn answer_if_due(self: Box<Self>, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) -> Phase {
        let due = match facts.setup.answer_policy {
            AnswerPolicy::Immediate => true,
            AnswerPolicy::OnAudio => self.audible,
            AnswerPolicy::AgentJoined => facts.agents.seen && facts.agents.left_at.is_none(),
        };
        let (true, Leg::Open(port)) = (due, self.leg) else { return Phase::Ringing(self) };
        facts.record.status = CallStatus::Active;
        facts.record.answered_at_ms = Some(now.unix_millis());
        effects.push(Effect::Persist(facts.snapshot()));
        Phase::Answering(Box::new(Answering { negotiation: self.negotiation, port, deadline: self.deadline }))
    }
}

/// Looks at what would never be answered.
fn acceptable(facts: &mut Facts, now: Time) -> Result<Negotiation, Unusable> {
    let timer = session_timer::as_server(&TimerHeaders::of(&facts.setup.invite.headers), 0, now);
    if let Verdict::TooShort(_) = timer {
        return Err(Unusable::plain(422, "Session Interval Too Small"));
    }
    Negotiation::begin(&mut facts.setup)
}
