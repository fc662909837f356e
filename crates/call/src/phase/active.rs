//! The call is answered: audio flows, attributes change, either side may end it.

use super::{Draining, Ending, Phase};
use crate::{
    Effect, Event, Facts, RoomCommand, RoomEvent, SipCommand,
    dial::DialEvent,
    headers::{self, Carrier},
    latency,
    media::{LegMedia, MediaFact, MediaPlan},
    midcall::{Agreed, MidCall},
    negotiation::{NO_ANSWER_IN_ACK, Negotiation},
};
use bytes::Bytes;
use std::collections::BTreeMap;
use trunkline_types::{EndReason, Time};

/// See the module. What happens to it in its middle stands in `holding`, `refreshing` and
/// `transferring`.
#[derive(Debug)]
pub(crate) struct Active {
    pub(super) negotiation: Negotiation,
    pub(super) port: u16,
    /// Of `max_call_duration`.
    pub(super) deadline: Time,
    pub(super) mid: MidCall,
}

impl Active {
    /// Of a call that has just been answered; [`Self::settled`] follows if media is agreed on.
    pub(crate) fn new(negotiation: Negotiation, port: u16, deadline: Time, agreed: Agreed) -> Self {
        Self { negotiation, port, deadline, mid: MidCall { agreed, ..MidCall::default() } }
    }

    pub(crate) fn deadline(&self, facts: &Facts) -> Time {
        let transfer = facts.transfer.as_ref().map(|transfer| transfer.step_deadline);
        let others = [facts.agent_deadline(), self.mid.deadline(), transfer];
        others.into_iter().flatten().fold(self.deadline, Time::min)
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
            Event::Room(event) => return self.room_told(event, facts, now, effects),
            Event::TimedOut => return self.due(facts, now, effects),
            Event::Acked { sdp } => return self.acked(sdp, facts, now, effects),
            Event::ReinviteReceived { sdp, timer, .. } => self.reinvited(sdp, &timer, facts, now, effects),
            Event::UpdateReceived { request, sdp, timer } => {
                self.updated(request, sdp, &timer, facts, now, effects);
            }
            Event::ReinviteAnswered { sdp, timer } => return self.reoffer_taken(sdp, &timer, facts, now, effects),
            Event::ReinviteRefused { status, reason, wait } => {
                return self.reoffer_refused(status, &reason, wait, facts, now, effects);
            }
            Event::UpdateAnswered { status, timer } => return self.refreshed(status, &timer, facts, now, effects),
            Event::HoldRequested(hold) => self.hold_requested(hold, facts, now, effects),
            Event::TransferRequested(order) => return self.transfer(*order, facts, now, effects),
            Event::ReferAnswered { status, reason, subscribed } => {
                let progress = facts.transfer.as_mut().map(|t| t.refer_answered(status, &reason, subscribed));
                headers::acknowledged(facts, Carrier::Refer, status, now);
                return self.progressed(progress, facts, now, effects);
            }
            Event::ReferFailed { why } => {
                let progress = facts.transfer.as_ref().map(|t| t.refer_failed(why));
                return self.progressed(progress, facts, now, effects);
            }
            Event::ReferNotified(notified) => return self.notified(&notified, facts, now, effects),
            Event::Bridged(result) => return self.bridged(result, facts, now, effects),
            Event::ReferReceived { request, cseq, target } => {
                self.asked_to_refer(request, cseq, target, facts, effects);
            }
            Event::ByeReceived { reason } => return self.far_end_left(reason, facts, now, effects),
            Event::Replaced => {
                return self.hang_up(EndReason::Replaced, "another call has taken its place", facts, now, effects);
            }
            Event::NeverAcked => {
                let text = "the 200 was not acknowledged within 64·T1";
                return self.hang_up(EndReason::NoAck, text, facts, now, effects);
            }
            Event::Dial(DialEvent::Abandoned) => {
                return self.hang_up(EndReason::EndCall, super::dialing::ABANDONED, facts, now, effects);
            }
            Event::ShutDown => return self.hang_up(EndReason::Shutdown, "the server stops", facts, now, effects),
            _ => {}
        }
        Phase::Active(self)
    }

    fn media_told(
        mut self: Box<Self>,
        fact: MediaFact,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        match fact {
            MediaFact::Dtmf { code, digit, .. } => {
                let digit = digit.map(String::from).unwrap_or_default();
                effects.push(Effect::Room(RoomCommand::SendDtmf { code: code.into(), digit }));
            }
            MediaFact::Latency { up, down, .. } => {
                facts.record.media.audio_up = up;
                facts.record.media.audio_down = down;
                let attributes = latency::changed(&facts.attributes, up, down);
                tell(attributes, facts, now, effects);
            }
            MediaFact::Played { sound, .. } if self.mid.playing == Some(sound) => self.mid.playing = None,
            MediaFact::Silent { .. } => {
                let text = "no RTP arrived within the media timeout";
                return self.hang_up(EndReason::MediaTimeout, text, facts, now, effects);
            }
            _ => {}
        }
        Phase::Active(self)
    }

    fn room_told(
        mut self: Box<Self>,
        event: RoomEvent,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        match event {
            RoomEvent::DtmfSent { digits } if facts.setup.midcall.dtmf_by_info => self.mid.queue_digits(&digits, now),
            RoomEvent::DtmfSent { digits } => {
                effects.push(Effect::Media(MediaPlan::SendDtmf { leg: facts.leg(), digits }));
            }
            RoomEvent::Moved { from, room, room_name, identity } => {
                facts.setup.room_name.clone_from(&room_name);
                facts.record.room_name = room_name;
                facts.record.room_sid = room.clone();
                facts.record.participant_identity = identity;
                effects.push(Effect::Media(MediaPlan::Move { leg: facts.leg(), from, to: room }));
                effects.push(Effect::Room(RoomCommand::Publish));
            }
            RoomEvent::Removed(reason) => {
                let reason = super::ending::reason_of_removal(reason);
                facts.ended(reason, None, format!("ended from the room: {}", reason.as_str()), now);
                return Draining::begin(facts, now, effects);
            }
            RoomEvent::EndRequested { headers } => {
                facts.last_headers = headers;
                facts.ended(EndReason::EndCall, None, "ended from the room: lk.sip.EndCall".into(), now);
                super::ending::leave_room(facts, now, effects);
                return Draining::begin(facts, now, effects);
            }
            _ => {}
        }
        Phase::Active(self)
    }

    /// Does the one thing that is due first; what else is due follows at once.
    fn due(mut self: Box<Self>, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) -> Phase {
        let is_due = |at: Option<Time>| at.is_some_and(|at| now >= at);
        if is_due(self.mid.leave_at) {
            let text = "the far end has gone where it was referred to";
            return self.hang_up(EndReason::Transferred, text, facts, now, effects);
        }
        if is_due(facts.transfer.as_ref().map(|transfer| transfer.step_deadline)) {
            return self.step_timed_out(facts, now, effects);
        }
        if is_due(self.mid.agreed.timer.map(|timer| timer.deadline())) {
            return self.timer_due(facts, now, effects);
        }
        if is_due(self.mid.again_at) {
            self.mid.again_at = None;
            self.pursue(facts, effects);
        } else if is_due(self.mid.digit_at) {
            if let Some(digit) = self.mid.next_digit(now) {
                effects.push(Effect::Sip(SipCommand::Info { digit }));
            }
        } else if is_due(facts.agent_deadline()) {
            let text = facts.with_reason("the last agent left and none came in its place".into());
            return self.hang_up(EndReason::AgentLeft, &text, facts, now, effects);
        } else if now >= self.deadline {
            return self.hang_up(EndReason::MaxDuration, "max_call_duration was reached", facts, now, effects);
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
        match self.negotiation.acked(sdp.as_deref(), &facts.setup.security) {
            Ok(Some(media)) => {
                self.settled(media, facts, now, effects);
                self.pursue(facts, effects);
                Phase::Active(self)
            }
            Ok(None) => Phase::Active(self),
            Err(unusable) => {
                effects.push(Effect::Log(format!("the ACK's answer cannot be used: {}", unusable.why)));
                self.hang_up(EndReason::NoCommonCodec, NO_ANSWER_IN_ACK, facts, now, effects)
            }
        }
    }

    /// Both sides agree on media, for the first time or anew.
    pub(crate) fn settled(&mut self, media: LegMedia, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) {
        effects.push(Effect::Media(MediaPlan::Negotiated { leg: facts.leg(), media: media.clone() }));
        self.agreed_on(&media, facts, now, effects);
    }

    /// Takes note of what media has been told already.
    pub(super) fn agreed_on(&mut self, media: &LegMedia, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) {
        facts.record.codec = Some(media.codec);
        self.mid.agreed.secure = media.crypto.is_some();
        // Somebody who does not want to hear us holds us; if we hold, nobody is asked.
        let held = !media.flowing.send && self.negotiation.sends();
        if held != self.mid.held {
            self.mid.held = held;
            let value = if held { "true" } else { "" };
            tell(BTreeMap::from([("sip.hold".to_owned(), value.to_owned())]), facts, now, effects);
        }
    }

    /// Ends the call from our side while we are still in the room.
    pub(super) fn hang_up(
        self: Box<Self>,
        reason: EndReason,
        text: &str,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        facts.ended(reason, None, text.into(), now);
        super::ending::leave_room(facts, now, effects);
        Ending::by_bye(facts, now, effects)
    }
}

/// Changes attributes of ours, here and in the room; an empty value deletes.
pub(super) fn tell(changes: BTreeMap<String, String>, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) {
    if !changes.is_empty() {
        facts.set_attributes(&changes, now);
        effects.push(Effect::Room(RoomCommand::SetAttributes(changes)));
    }
}
