//! Somebody took the call: its record is being written, and the 200 leaves when it is durable.

use super::{Active, Ending, Phase};
use crate::{
    Effect, Event, Facts, Moment, RoomCommand, RoomEvent, SipCommand,
    headers::{self, Carrier},
    media::MediaPlan,
    midcall::Agreed,
    negotiation::Negotiation,
    session_timer::{self, TimerHeaders, Verdict},
};
use std::collections::BTreeMap;
use trunkline_sip::HeaderList;
use trunkline_types::{EndReason, Time};

/// See the module.
#[derive(Debug)]
pub(crate) struct Answering {
    pub(crate) negotiation: Negotiation,
    pub(crate) port: u16,
    pub(crate) deadline: Time,
}

impl Answering {
    pub(crate) fn deadline(&self) -> Time {
        self.deadline
    }

    pub(crate) fn handle(
        self: Box<Self>,
        event: Event,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        let refusal = match event {
            Event::Stored(Ok(())) => return self.answer(facts, now, effects),
            Event::Stored(Err(why)) => {
                facts.ended(
                    EndReason::Resource,
                    Some(503),
                    format!("the call's record could not be written: {why}"),
                    now,
                );
                Some((503, "Service Unavailable"))
            }
            Event::Cancelled { reason } | Event::ByeReceived { reason } => {
                facts.cancelled(reason, now);
                None
            }
            Event::Room(RoomEvent::Removed(reason)) => {
                let text = "the room gave the call up before it was answered".into();
                facts.ended(super::ending::reason_of_removal(reason), Some(480), text, now);
                return Ending::unanswered_outside_room(
                    Some((480, "Temporarily Unavailable")),
                    true,
                    facts,
                    now,
                    effects,
                );
            }
            Event::Room(RoomEvent::EndRequested { headers }) => {
                facts.last_headers = headers;
                facts.ended(EndReason::EndCall, Some(486), "refused from the room".into(), now);
                Some((486, "Busy Here"))
            }
            Event::ShutDown => {
                facts.ended(EndReason::Shutdown, Some(503), "the server stops".into(), now);
                Some((503, "Service Unavailable"))
            }
            Event::TimedOut if now >= self.deadline => {
                facts.ended(EndReason::Resource, Some(503), "the call's record was not written in time".into(), now);
                Some((503, "Service Unavailable"))
            }
            _ => return Phase::Answering(self),
        };
        Ending::unanswered(refusal, true, facts, now, effects)
    }

    fn answer(self, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) -> Phase {
        let step = match self.negotiation.respond(&facts.setup, self.port) {
            Ok(step) => step,
            Err(unusable) => {
                facts.ended(EndReason::NoCommonCodec, Some(unusable.status), unusable.why.clone(), now);
                let refusal = Some((unusable.status, unusable.reason.as_str()));
                return Ending::unanswered(refusal, true, facts, now, effects);
            }
        };
        let active = BTreeMap::from([("sip.callStatus".to_owned(), "active".to_owned())]);
        facts.set_attributes(&active, now);
        let mut headers = headers::build(facts, Carrier::Answer, Ok(()), now);
        let agreed = agreed(facts, &mut headers, now);
        effects.push(Effect::Sip(SipCommand::Answer { headers, sdp: step.sdp }));
        let deadline = now + facts.setup.max_call_duration;
        let mut call = Box::new(Active::new(step.next, self.port, deadline, agreed));
        if let Some(media) = step.media {
            call.settled(media, facts, now, effects);
        }
        effects.push(Effect::Media(MediaPlan::Start {
            leg: facts.leg(),
            initial_timeout: facts.setup.media_timeout_initial,
            timeout: facts.setup.media_timeout,
        }));
        effects.push(Effect::Room(RoomCommand::SetAttributes(active)));
        effects.push(Effect::Announce(Moment::Answered, facts.snapshot()));
        Phase::Active(call)
    }
}

/// What the INVITE and we agree on beside media; its headers go into the 200.
pub(crate) fn agreed(facts: &Facts, headers: &mut HeaderList, now: Time) -> Agreed {
    let invite = &facts.setup.invite.headers;
    let asked = TimerHeaders::of(invite);
    let timer = match session_timer::as_server(&asked, facts.setup.midcall.session_expires, now) {
        Verdict::Agreed(timer, own) => {
            headers.extend(own);
            Some(timer)
        }
        Verdict::None | Verdict::TooShort(_) => None,
    };
    Agreed { timer, takes_update: takes_update(invite), secure: false }
}

/// Whether a message says that its sender knows UPDATE.
pub(crate) fn takes_update(headers: &[(String, String)]) -> bool {
    let mut allow = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("Allow"));
    allow.any(|(_, value)| value.split(',').any(|method| method.trim() == "UPDATE"))
}
