//! The call is over: BYE or refusal is out, the last answers and counters come in.

use super::{Phase, Recording};
use crate::{
    Effect, Event, Facts, RoomCommand, SipCommand,
    dial::{DialCommand, DialEvent},
    headers::{self, Carrier},
    media::{MediaFact, MediaPlan},
};
use std::time::Duration;
use trunkline_sip::reason::Reason;
use trunkline_types::{DisconnectReason, EndReason, Time};

/// What is still to come before the final record is complete.
#[derive(Debug)]
pub(crate) struct Ending {
    bye: Awaited,
    media: Awaited,
    deadline: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    Yes,
    No,
}

/// A BYE transaction takes 64·T1 at most; nothing is awaited longer than that and a little.
const LIMIT: Duration = Duration::from_secs(34);

impl Ending {
    /// Sends our BYE with the headers of this moment.
    pub(crate) fn by_bye(facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) -> Phase {
        facts.set_attributes(&facts.ending_attributes(), now);
        let mut headers = headers::build(facts, Carrier::Bye, Ok(()), now);
        let has_reason = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Reason"));
        if let Some(ending) = facts.record.ending.as_ref().filter(|_| !has_reason) {
            let reason = Reason { protocol: "SIP".into(), cause: Some(200), text: Some(ending.reason.as_str().into()) };
            headers.push(("Reason".into(), reason.to_string()));
        }
        effects.push(Effect::Sip(SipCommand::Bye { headers }));
        Self::close_media(facts, effects);
        Phase::Ending(Self { bye: Awaited::Yes, media: Awaited::Yes, deadline: now + LIMIT })
    }

    /// The far end hung up first.
    pub(crate) fn far_end_hung_up(
        reason: Option<String>,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        let text = match &reason {
            Some(reason) => format!("the far end hung up: {reason}"),
            None => "the far end hung up".into(),
        };
        facts.ended(EndReason::RemoteBye, reason.as_deref().and_then(sip_cause), text, now);
        facts.far_reason(reason.as_deref().unwrap_or_default());
        leave_room(facts, now, effects);
        Self::answer_bye(facts, now, effects)
    }

    /// Answers the far end's BYE; with the mapped headers if the options say so.
    pub(crate) fn answer_bye(facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) -> Phase {
        let send = match facts.setup.headers_on_200_to_bye {
            true => Ok(()),
            false => Err("the far end hung up first and headers_on_200_to_bye is off"),
        };
        let headers = headers::build(facts, Carrier::AnswerToBye, send, now);
        effects.push(Effect::Sip(SipCommand::AnswerBye { headers }));
        Self::close_media(facts, effects);
        Phase::Ending(Self { bye: Awaited::No, media: Awaited::Yes, deadline: now + LIMIT })
    }

    /// Ends a call that was not answered, with this refusal unless the INVITE is answered already.
    pub(crate) fn unanswered(
        refusal: Option<(u16, &str)>,
        leg_opened: bool,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        leave_room(facts, now, effects);
        Self::unanswered_outside_room(refusal, leg_opened, facts, now, effects)
    }

    /// The same when the room has taken us out already.
    pub(crate) fn unanswered_outside_room(
        refusal: Option<(u16, &str)>,
        leg_opened: bool,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        facts.record.answered_at_ms = None;
        facts.set_attributes(&facts.ending_attributes(), now);
        if let Some((status, phrase)) = refusal {
            let headers = headers::build(facts, Carrier::Refusal, Ok(()), now);
            effects.push(Effect::Sip(SipCommand::Reject { status, reason: phrase.into(), headers }));
        }
        if leg_opened {
            Self::close_media(facts, effects);
        }
        let media = if leg_opened { Awaited::Yes } else { Awaited::No };
        Self { bye: Awaited::No, media, deadline: now + LIMIT }.or_recorded(facts, effects)
    }

    /// Gives a call of ours up before it was answered: CANCEL if anything was `sent`. A 2xx that
    /// comes nevertheless is acknowledged and hung up by the stack; the record stays this one.
    pub(crate) fn cancelling(
        has_left: bool,
        leg_opened: bool,
        sent: bool,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        if sent {
            let mut headers = headers::build(facts, Carrier::Cancel, Ok(()), now);
            let has_reason = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Reason"));
            if let Some(ending) = facts.record.ending.as_ref().filter(|_| !has_reason) {
                let cause = if ending.reason == EndReason::NoAnswer { 408 } else { 487 };
                headers.push(("Reason".into(), format!("SIP;cause={cause};text=\"{}\"", ending.reason.as_str())));
            }
            effects.push(Effect::Sip(SipCommand::Dial(DialCommand::Cancel { headers })));
        }
        if has_left {
            facts.set_attributes(&facts.ending_attributes(), now);
        } else {
            leave_room(facts, now, effects);
        }
        if leg_opened {
            Self::close_media(facts, effects);
        }
        let awaited = |yes| if yes { Awaited::Yes } else { Awaited::No };
        Self { bye: awaited(sent), media: awaited(leg_opened), deadline: now + LIMIT }.or_recorded(facts, effects)
    }

    pub(crate) fn deadline(&self) -> Time {
        self.deadline
    }

    pub(crate) fn handle(mut self, event: Event, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) -> Phase {
        match event {
            Event::ByeAnswered { status } => {
                headers::acknowledged(facts, Carrier::Bye, status, now);
                self.bye = Awaited::No;
            }
            Event::ByeFailed { why } => {
                effects.push(Effect::Log(format!("our BYE was not answered: {why}")));
                self.bye = Awaited::No;
            }
            Event::Dial(DialEvent::Refused(answer)) => {
                headers::acknowledged(facts, Carrier::Cancel, answer.status, now);
                self.bye = Awaited::No;
            }
            Event::Dial(DialEvent::Failed(_)) => self.bye = Awaited::No,
            // It was answered before our CANCEL could be sent.
            Event::Dial(DialEvent::Answered(_)) => {
                effects.push(Effect::Sip(SipCommand::Dial(DialCommand::Acknowledge)));
                effects.push(Effect::Sip(SipCommand::Bye { headers: Vec::new() }));
                self.bye = Awaited::Yes;
            }
            // Both sides hung up at once.
            Event::ByeReceived { .. } => effects.push(Effect::Sip(SipCommand::AnswerBye { headers: Vec::new() })),
            Event::Acked { .. } => headers::acknowledged(facts, Carrier::Answer, 0, now),
            Event::Media(MediaFact::Closed { stats, .. }) => {
                facts.record.media = stats;
                self.media = Awaited::No;
            }
            Event::TimedOut if now >= self.deadline => {
                effects.push(Effect::Log("the end of the call was not confirmed in time".into()));
                self.bye = Awaited::No;
                self.media = Awaited::No;
            }
            _ => {}
        }
        self.or_recorded(facts, effects)
    }

    fn or_recorded(self, facts: &mut Facts, effects: &mut Vec<Effect>) -> Phase {
        if self.bye == Awaited::No && self.media == Awaited::No {
            return Recording::begin(facts, effects);
        }
        Phase::Ending(self)
    }

    fn close_media(facts: &Facts, effects: &mut Vec<Effect>) {
        effects.push(Effect::Media(MediaPlan::Close { leg: facts.leg() }));
    }
}

/// Tells the room how the call ended, then leaves it.
pub(crate) fn leave_room(facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) {
    let attributes = facts.ending_attributes();
    facts.set_attributes(&attributes, now);
    effects.push(Effect::Room(RoomCommand::SetAttributes(attributes)));
    let reason = facts.record.ending.as_ref().map_or(DisconnectReason::ClientInitiated, |e| e.disconnect_reason);
    effects.push(Effect::Room(RoomCommand::Leave(reason)));
}

/// Why the call ends when the room took the participant out.
pub(crate) fn reason_of_removal(reason: DisconnectReason) -> EndReason {
    match reason {
        DisconnectReason::RoomDeleted => EndReason::RoomDeleted,
        DisconnectReason::RoomClosed => EndReason::RoomClosed,
        DisconnectReason::ServerShutdown => EndReason::Shutdown,
        _ => EndReason::ParticipantRemoved,
    }
}

/// The SIP status in `Reason` (RFC 3326), among causes of other protocols.
fn sip_cause(reason: &str) -> Option<u16> {
    Reason::parse(reason).into_iter().find(|reason| reason.is("SIP"))?.cause
}
