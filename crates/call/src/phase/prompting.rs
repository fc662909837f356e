//! The call is answered so that the caller can enter a pin. No room has him yet: nobody hears him,
//! and nobody sees his keys.

use super::{Active, Ending, Phase, answering, joining};
use crate::{
    Effect, Event, Facts, Moment, RoomCommand, RoomEvent, Setup, SipCommand, attributes,
    facts::Attribute,
    headers::{self, Carrier},
    media::{MediaFact, MediaPlan, Sound},
    midcall::Agreed,
    negotiation::{NO_ANSWER_IN_ACK, Negotiation},
    pin::{Entry, Prompt, Submitted},
    record::CallStatus,
};
use std::{collections::BTreeMap, time::Duration};
use trunkline_types::{EndReason, RoomSid, Time};

/// How long a prompt may take to be played.
const PLAYS_WITHIN: Duration = Duration::from_secs(10);
/// How long opening media, writing the record or looking up a pin may take.
const BOUND: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug)]
pub(crate) struct Prompting {
    negotiation: Negotiation,
    stage: Stage,
    port: u16,
    entry: Entry,
    tries_left: u8,
    agreed: Agreed,
    /// Of the stage.
    until: Time,
    /// Of `max_call_duration`.
    deadline: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The media leg is being opened.
    Opening,
    /// The record is being written; the 200 leaves when it is durable.
    Recording,
    /// The caller is asked, and presses keys.
    Asking,
    /// What he entered is looked up.
    Checking,
    /// He is told that he is in.
    Welcoming,
    /// He enters his room.
    Joining,
    /// He is told that he has no more tries.
    Dismissing,
}

impl Prompting {
    pub(crate) fn begin(negotiation: Negotiation, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) -> Phase {
        facts.record.ringing_at_ms = Some(now.unix_millis());
        effects.push(Effect::Sip(SipCommand::Ring));
        effects.push(Effect::Announce(Moment::Ringing, facts.snapshot()));
        let (leg, local) = (facts.leg(), facts.setup.media_local);
        let tries_left = facts.setup.pin.as_ref().map_or(1, |prompt| prompt.tries.max(1));
        if let Some(Prompt { lobby, .. }) = &facts.setup.pin {
            effects.push(Effect::Media(MediaPlan::Open { leg, room: lobby.clone(), local }));
        }
        Phase::Prompting(Box::new(Self {
            negotiation,
            stage: Stage::Opening,
            port: 0,
            entry: Entry::default(),
            tries_left,
            agreed: Agreed::default(),
            until: now + BOUND,
            deadline: now + facts.setup.max_call_duration,
        }))
    }

    pub(crate) fn deadline(&self) -> Time {
        self.until.min(self.deadline)
    }

    pub(crate) fn handle(
        mut self: Box<Self>,
        event: Event,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        match event {
            Event::Media(fact) => return self.media_told(fact, facts, now, effects),
            Event::Stored(Ok(())) if self.stage == Stage::Recording => return self.answer(facts, now, effects),
            Event::Stored(Err(why)) if self.stage == Stage::Recording => {
                let text = format!("the call's record could not be written: {why}");
                return self.over(EndReason::Resource, 503, text, facts, now, effects);
            }
            Event::PinChecked(Some(admitted)) if self.stage == Stage::Checking => {
                admit(*admitted, facts, now);
                self.play(Sound::RoomJoin, Stage::Welcoming, facts, now, effects);
            }
            Event::PinChecked(None) if self.stage == Stage::Checking => self.wrong(facts, now, effects),
            Event::Room(RoomEvent::Joined { room, participant, identity }) => {
                facts.joined(room.clone(), participant, identity);
                return self.enter(room, facts, now, effects);
            }
            Event::Room(RoomEvent::JoinFailed { why }) => {
                return self.over(EndReason::Resource, 503, why, facts, now, effects);
            }
            Event::Room(RoomEvent::Removed(reason)) => {
                let text = "the room gave the call up".to_owned();
                let reason = super::ending::reason_of_removal(reason);
                return self.over(reason, 480, text, facts, now, effects);
            }
            Event::Acked { sdp } => return self.acked(sdp.as_deref(), facts, now, effects),
            Event::Cancelled { reason } => {
                facts.cancelled(reason, now);
                return Ending::unanswered(None, true, facts, now, effects);
            }
            Event::ByeReceived { reason } => return Ending::far_end_hung_up(reason, facts, now, effects),
            Event::NeverAcked => {
                let text = "the 200 was not acknowledged within 64·T1".to_owned();
                return self.over(EndReason::NoAck, 408, text, facts, now, effects);
            }
            Event::ShutDown => {
                return self.over(EndReason::Shutdown, 503, "the server stops".into(), facts, now, effects);
            }
            Event::TimedOut if now >= self.deadline => {
                let text = "max_call_duration was reached".to_owned();
                return self.over(EndReason::MaxDuration, 408, text, facts, now, effects);
            }
            Event::TimedOut if now >= self.until => return self.too_late(facts, now, effects),
            _ => {}
        }
        Phase::Prompting(self)
    }

    fn media_told(
        mut self: Box<Self>,
        fact: MediaFact,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        match (fact, self.stage) {
            (MediaFact::Opened { rtp, .. }, Stage::Opening) => {
                self.port = rtp.port();
                facts.record.status = CallStatus::Active;
                facts.record.answered_at_ms = Some(now.unix_millis());
                self.enter_stage(Stage::Recording, BOUND, now);
                effects.push(Effect::Persist(facts.snapshot()));
            }
            (MediaFact::OpenFailed { why, .. }, Stage::Opening) => {
                facts.ended(EndReason::Resource, Some(503), why, now);
                return Ending::unanswered(Some((503, "Service Unavailable")), false, facts, now, effects);
            }
            (MediaFact::Dtmf { digit: Some(digit), .. }, Stage::Asking) => self.key(digit, facts, now, effects),
            (MediaFact::Played { sound: Sound::EnterPin | Sound::WrongPin, .. }, Stage::Asking) => {
                self.until = now + timeout(facts);
            }
            (MediaFact::Played { sound: Sound::RoomJoin, .. }, Stage::Welcoming) => self.join(facts, now, effects),
            (MediaFact::Played { sound: Sound::WrongPin, .. }, Stage::Dismissing) => {
                return self.dismissed(facts, now, effects);
            }
            (MediaFact::Silent { .. }, _) => {
                let text = "no RTP arrived within the media timeout".to_owned();
                return self.over(EndReason::MediaTimeout, 408, text, facts, now, effects);
            }
            _ => {}
        }
        Phase::Prompting(self)
    }

    fn enter_stage(&mut self, stage: Stage, bound: Duration, now: Time) {
        self.stage = stage;
        self.until = now + bound;
    }

    fn play(&mut self, sound: Sound, stage: Stage, facts: &Facts, now: Time, effects: &mut Vec<Effect>) {
        effects.push(Effect::Media(MediaPlan::Play { leg: facts.leg(), sound: Some(sound) }));
        let bound = if stage == Stage::Asking { PLAYS_WITHIN + timeout(facts) } else { PLAYS_WITHIN };
        self.enter_stage(stage, bound, now);
    }

    fn answer(mut self: Box<Self>, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) -> Phase {
        let step = match self.negotiation.clone().respond(&facts.setup, self.port) {
            Ok(step) => step,
            Err(unusable) => {
                facts.ended(EndReason::NoCommonCodec, Some(unusable.status), unusable.why.clone(), now);
                let refusal = Some((unusable.status, unusable.reason.as_str()));
                return Ending::unanswered(refusal, true, facts, now, effects);
            }
        };
        let mut headers = headers::build(facts, Carrier::Answer, Ok(()), now);
        self.agreed = answering::agreed(facts, &mut headers, now);
        effects.push(Effect::Sip(SipCommand::Answer { headers, sdp: step.sdp }));
        if let Some(media) = step.media {
            (facts.record.codec, self.agreed.secure) = (Some(media.codec), media.crypto.is_some());
            effects.push(Effect::Media(MediaPlan::Negotiated { leg: facts.leg(), media }));
        }
        effects.push(Effect::Media(MediaPlan::Start {
            leg: facts.leg(),
            initial_timeout: facts.setup.media_timeout_initial,
            timeout: facts.setup.media_timeout,
        }));
        self.negotiation = step.next;
        effects.push(Effect::Announce(Moment::Answered, facts.snapshot()));
        self.play(Sound::EnterPin, Stage::Asking, facts, now, effects);
        Phase::Prompting(self)
    }

    fn key(&mut self, digit: char, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) {
        self.until = now + timeout(facts);
        match self.entry.key(digit) {
            None => {}
            Some(Submitted::TooLong) => self.wrong(facts, now, effects),
            Some(Submitted::Pin(pin)) => {
                self.enter_stage(Stage::Checking, BOUND, now);
                effects.push(Effect::CheckPin(pin));
            }
        }
    }

    /// A pin that opens nothing, or none in time.
    fn wrong(&mut self, facts: &Facts, now: Time, effects: &mut Vec<Effect>) {
        self.entry.clear();
        self.tries_left = self.tries_left.saturating_sub(1);
        let stage = if self.tries_left == 0 { Stage::Dismissing } else { Stage::Asking };
        self.play(Sound::WrongPin, stage, facts, now, effects);
    }

    fn too_late(mut self: Box<Self>, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) -> Phase {
        match self.stage {
            Stage::Asking => self.wrong(facts, now, effects),
            // The prompt was not heard to its end: no reason to keep the caller out.
            Stage::Welcoming => self.join(facts, now, effects),
            Stage::Dismissing => return self.dismissed(facts, now, effects),
            Stage::Opening | Stage::Recording | Stage::Checking | Stage::Joining => {
                let text = "the call could not be let in in time".to_owned();
                return self.over(EndReason::Resource, 503, text, facts, now, effects);
            }
        }
        Phase::Prompting(self)
    }

    fn dismissed(&self, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) -> Phase {
        self.over(EndReason::WrongPin, 403, "no right pin was entered".into(), facts, now, effects)
    }

    /// Ends the call: with a refusal before the 200, with BYE after it.
    fn over(
        &self,
        reason: EndReason,
        status: u16,
        text: String,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        if matches!(self.stage, Stage::Opening | Stage::Recording) {
            facts.ended(reason, Some(status), text, now);
            return Ending::unanswered(Some((status, "Service Unavailable")), true, facts, now, effects);
        }
        facts.ended(reason, None, text, now);
        super::ending::leave_room(facts, now, effects);
        Ending::by_bye(facts, now, effects)
    }

    fn acked(
        mut self: Box<Self>,
        sdp: Option<&[u8]>,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        headers::acknowledged(facts, Carrier::Answer, 0, now);
        match self.negotiation.acked(sdp, &facts.setup.security) {
            Ok(Some(media)) => {
                (facts.record.codec, self.agreed.secure) = (Some(media.codec), media.crypto.is_some());
                effects.push(Effect::Media(MediaPlan::Negotiated { leg: facts.leg(), media }));
            }
            Ok(None) => {}
            Err(unusable) => {
                effects.push(Effect::Log(format!("the ACK's answer cannot be used: {}", unusable.reason)));
                return self.over(EndReason::NoCommonCodec, 488, NO_ANSWER_IN_ACK.into(), facts, now, effects);
            }
        }
        Phase::Prompting(self)
    }

    fn join(&mut self, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) {
        self.enter_stage(Stage::Joining, BOUND, now);
        joining::join(facts, effects);
    }

    /// The room has him: from here on it is a call like any other.
    fn enter(self, room: RoomSid, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) -> Phase {
        if let Some(prompt) = facts.setup.pin.take() {
            effects.push(Effect::Media(MediaPlan::Move { leg: facts.leg(), from: prompt.lobby, to: room }));
        }
        effects.push(Effect::Media(MediaPlan::Play { leg: facts.leg(), sound: None }));
        effects.push(Effect::Room(RoomCommand::Publish));
        effects.push(Effect::Persist(facts.snapshot()));
        let timer = self.agreed.timer.map(|timer| timer.restarted(now));
        let agreed = Agreed { timer, ..self.agreed };
        Phase::Active(Box::new(Active::new(self.negotiation, self.port, self.deadline, agreed)))
    }
}

fn timeout(facts: &Facts) -> Duration {
    facts.setup.pin.as_ref().map_or(Duration::ZERO, |prompt| prompt.timeout)
}

/// The call takes on what the pin's rule says. What the legs have agreed on stays.
fn admit(mut admitted: Setup, facts: &mut Facts, now: Time) {
    admitted.security = std::mem::take(&mut facts.setup.security);
    admitted.pin = facts.setup.pin.take();
    (admitted.sdp_session_id, admitted.media_local) = (facts.setup.sdp_session_id, facts.setup.media_local);
    admitted.media_advertised = facts.setup.media_advertised;
    facts.attributes = attributes::initial(&mut admitted)
        .into_iter()
        .map(|(name, value)| (name, Attribute { value, set_at: now }))
        .collect();
    let record = &mut facts.record;
    record.rule_id.clone_from(&admitted.rule_id);
    record.room_name.clone_from(&admitted.room_name);
    record.participant_identity.clone_from(&admitted.identity);
    record.from = if admitted.hidden { String::new() } else { admitted.invite.from.clone() };
    record.explanation = std::mem::take(&mut admitted.explanation);
    facts.setup = admitted;
    facts.set_attributes(&BTreeMap::from([("sip.callStatus".to_owned(), "active".to_owned())]), now);
}
