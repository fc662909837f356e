//! The call is answered: audio flows, attributes change, either side may end it.

use super::{Draining, Ending};
use crate::{
    Effect, Event, Facts, RoomCommand, RoomEvent, SipCommand,
    call::Phase,
    headers::{self, Carrier},
    latency,
    media::{MediaFact, MediaPlan},
    negotiation::Negotiation,
};
use bytes::Bytes;
use trunkline_types::{EndReason, Time};

/// See the module.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) negotiation: Negotiation,
    pub(crate) port: u16,
    /// Of `max_call_duration`.
    pub(crate) deadline: Time,
}

impl Active {
    pub(crate) fn deadline(&self, facts: &Facts) -> Time {
        facts.agent_deadline().map_or(self.deadline, |at| at.min(self.deadline))
    }

    pub(crate) fn handle(
        mut self: Box<Self>,
        event: Event,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        match event {
            Event::Acked { sdp } => return self.acked(sdp, facts, now, effects),
            Event::ReinviteReceived { sdp, .. } => self.reinvited(sdp, facts, effects),
            Event::Media(MediaFact::Dtmf { code, digit, .. }) => {
                effects.push(Effect::Room(RoomCommand::SendDtmf {
                    code: code.into(),
                    digit: digit.map(String::from).unwrap_or_default(),
                }));
            }
            Event::Media(MediaFact::Latency { up, down, .. }) => {
                facts.record.media.audio_up = up;
                facts.record.media.audio_down = down;
                let attributes = latency::changed(&facts.attributes, up, down);
                if !attributes.is_empty() {
                    facts.set_attributes(&attributes, now);
                    effects.push(Effect::Room(RoomCommand::SetAttributes(attributes)));
                }
            }
            Event::Room(RoomEvent::DtmfSent { digits }) => {
                effects.push(Effect::Media(MediaPlan::SendDtmf { leg: facts.leg(), digits }));
            }
            Event::ByeReceived { reason } => return Ending::far_end_hung_up(reason, facts, now, effects),
            Event::Room(RoomEvent::Removed(reason)) => {
                let reason = super::ending::reason_of_removal(reason);
                facts.ended(reason, None, format!("ended from the room: {}", reason.as_str()), now);
                return Draining::begin(facts, now, effects);
            }
            Event::Room(RoomEvent::EndRequested { headers }) => {
                facts.last_headers = headers;
                facts.ended(EndReason::EndCall, None, "ended from the room: lk.sip.EndCall".into(), now);
                super::ending::leave_room(facts, now, effects);
                return Draining::begin(facts, now, effects);
            }
            Event::TimedOut if facts.agent_deadline().is_some_and(|at| now >= at) => {
                let text = facts.with_reason("the last agent left and none came in its place".into());
                return self.hang_up(EndReason::AgentLeft, &text, facts, now, effects);
            }
            Event::Media(MediaFact::Silent { .. }) => {
                return self.hang_up(
                    EndReason::MediaTimeout,
                    "no RTP arrived within the media timeout",
                    facts,
                    now,
                    effects,
                );
            }
            Event::NeverAcked => {
                return self.hang_up(
                    EndReason::NoAck,
                    "the 200 was not acknowledged within 64·T1",
                    facts,
                    now,
                    effects,
                );
            }
            Event::TimedOut if now >= self.deadline => {
                return self.hang_up(EndReason::MaxDuration, "max_call_duration was reached", facts, now, effects);
            }
            Event::ShutDown => return self.hang_up(EndReason::Shutdown, "the server stops", facts, now, effects),
            _ => {}
        }
        Phase::Active(self)
    }

    fn acked(
        mut self: Box<Self>,
        sdp: Option<Bytes>,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        headers::acknowledged(facts, Carrier::Answer, 0, now);
        if !self.negotiation.awaits_answer() {
            return Phase::Active(self);
        }
        match self.negotiation.answered(sdp.as_deref().unwrap_or_default(), &facts.setup.security) {
            Ok(Some((next, media))) => {
                facts.record.codec = Some(media.codec);
                effects.push(Effect::Media(MediaPlan::Negotiated { leg: facts.leg(), media }));
                self.negotiation = next;
                Phase::Active(self)
            }
            Ok(None) => Phase::Active(self),
            Err(unusable) => {
                effects.push(Effect::Log(format!("the ACK's answer cannot be used: {}", unusable.reason)));
                self.hang_up(
                    EndReason::NoCommonCodec,
                    "the ACK brought no usable answer to our offer",
                    facts,
                    now,
                    effects,
                )
            }
        }
    }

    fn reinvited(&mut self, sdp: Option<Bytes>, facts: &mut Facts, effects: &mut Vec<Effect>) {
        let step = match &sdp {
            Some(offer) => self.negotiation.reoffered(offer, &facts.setup.security),
            None => self.negotiation.clone().respond(&facts.setup, self.port),
        };
        match step {
            Ok(step) => {
                effects.push(Effect::Sip(SipCommand::AnswerReinvite { sdp: step.sdp }));
                if let Some(media) = step.media {
                    effects.push(Effect::Media(MediaPlan::Negotiated { leg: facts.leg(), media }));
                }
                self.negotiation = step.next;
            }
            Err(unusable) => effects
                .push(Effect::Sip(SipCommand::RejectReinvite { status: unusable.status, reason: unusable.reason })),
        }
    }

    /// Ends the call from our side while we are still in the room.
    fn hang_up(self, reason: EndReason, text: &str, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) -> Phase {
        facts.ended(reason, None, text.into(), now);
        super::ending::leave_room(facts, now, effects);
        Ending::by_bye(facts, now, effects)
    }
}
