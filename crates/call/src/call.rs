//! The call: its facts, its phase, and the dispatch of events to the phase.

use crate::{
    Effect, Event, Facts, RoomEvent, Setup, SipCommand,
    media::MediaFact,
    negotiation::Unusable,
    phase::{Dialing, Ending, Phase, Ringing, automation, transferring},
    record::CallRecord,
    session_timer,
};
use trunkline_types::{EndReason, Time};

/// One call.
#[derive(Debug)]
pub struct Call {
    facts: Facts,
    phase: Phase,
}

impl Call {
    /// A call that routing has accepted: rings, and asks to join the room. `None` if its offer
    /// can never be answered; then the refusal is among the effects.
    pub fn arrive(setup: Setup, now: Time, effects: &mut Vec<Effect>) -> Option<Self> {
        let mut facts = Facts::new(setup, now);
        match Ringing::begin(&mut facts, now, effects) {
            Ok(phase) => Some(Self { facts, phase }),
            Err(unusable) => {
                let why = if unusable.why.is_empty() { &unusable.reason } else { &unusable.why };
                effects.push(Effect::Log(format!("INVITE refused with {}: {why}", unusable.status)));
                let mut headers = unusable.headers();
                if unusable.status == 422 {
                    headers.push(("Min-SE".into(), session_timer::SHORTEST.to_string()));
                }
                let Unusable { status, reason, .. } = unusable;
                effects.push(Effect::Sip(SipCommand::Reject { status, reason, headers }));
                None
            }
        }
    }

    /// A call of ours, which [`Setup::outbound`] describes: joins its room, publishes, and then calls.
    pub fn dial(setup: Setup, now: Time, effects: &mut Vec<Effect>) -> Self {
        let mut facts = Facts::new(setup, now);
        let phase = Dialing::begin(&mut facts, now, effects);
        Self { facts, phase }
    }

    /// Applies one event.
    pub fn handle(&mut self, event: Event, now: Time, effects: &mut Vec<Effect>) {
        if let Event::Room(RoomEvent::AttributesChanged(values)) = event {
            // In every phase: whoever ends the call next, its headers are these.
            self.facts.take_attributes(values, now);
            if let Phase::Active(phase) = &mut self.phase {
                phase.attributes_changed(&self.facts, effects);
            }
            return;
        }
        if !matches!(self.phase, Phase::Active(_)) && self.decline(&event, effects) {
            return;
        }
        let facts = &mut self.facts;
        if let Event::Room(event) = &event {
            facts.note_agents(event, now);
        }
        match (&event, &self.phase) {
            (Event::Stored(result), _) if facts.was_unawaited() => {
                if let Err(why) = result {
                    effects.push(Effect::Log(format!("the record of the answered call could not be written: {why}")));
                }
                return;
            }
            (Event::Media(MediaFact::DtmfSent { .. }), Phase::Active(call)) if !call.sends_digits() => {
                return automation::sent(facts, now, effects);
            }
            _ => {}
        }
        self.phase = std::mem::replace(&mut self.phase, Phase::Ended).handle(event, facts, now, effects);
        if facts.automating
            && facts.setup.midcall.dtmf_by_info
            && matches!(&self.phase, Phase::Active(call) if !call.sends_digits())
        {
            automation::sent(facts, now, effects);
        }
        if !matches!(self.phase, Phase::Active(_)) && self.facts.transfer.is_some() {
            transferring::call_ended(&mut self.facts, now, effects);
        }
    }

    /// Answers a request that only an answered call can take.
    fn decline(&self, event: &Event, effects: &mut Vec<Effect>) -> bool {
        let (request, status, reason) = match event {
            Event::UpdateReceived { request, .. } | Event::ReferReceived { request, .. } if self.is_over() => {
                (request, 481, "Call/Transaction Does Not Exist")
            }
            // Our answer to the first offer is still due (RFC 3311 §5.2).
            Event::UpdateReceived { request, sdp: Some(_), .. } => (request, 491, "Request Pending"),
            Event::UpdateReceived { request, .. } => (request, 200, "OK"),
            Event::ReferReceived { request, .. } => (request, 403, "Forbidden"),
            Event::ReinviteReceived { .. } => {
                let (status, reason, headers) = (491, "Request Pending".to_owned(), Vec::new());
                effects.push(Effect::Sip(SipCommand::RejectReinvite { status, reason, headers }));
                return true;
            }
            _ => return false,
        };
        let (request, reason, headers, sdp) = (request.clone(), reason.to_owned(), Vec::new(), None);
        effects.push(Effect::Sip(SipCommand::Respond { request, status, reason, headers, sdp }));
        true
    }

    /// Ends the call in the orderly way after a fault of our own while it was handled.
    pub fn abort(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let facts = &mut self.facts;
        let answered = facts.record.answered_at_ms.is_some();
        let refuses = !answered && !facts.is_outbound();
        facts.ended(EndReason::Internal, refuses.then_some(500), "a fault in the server".into(), now);
        self.phase = if answered {
            crate::phase::leave_room(facts, now, effects);
            Ending::by_bye(facts, now, effects)
        } else if facts.is_outbound() {
            Ending::cancelling(false, true, true, facts, now, effects)
        } else {
            Ending::unanswered(Some((500, "Server Internal Error")), true, facts, now, effects)
        };
    }

    /// When to come again with [`Event::TimedOut`].
    pub fn poll_timeout(&self) -> Option<Time> {
        self.phase.deadline(&self.facts)
    }

    /// What the call knows of itself.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The record as it stands.
    pub fn record(&self) -> CallRecord {
        *self.facts.snapshot()
    }

    /// Whether the far end hears us.
    pub fn is_answered(&self) -> bool {
        matches!(self.phase, Phase::Active(_) | Phase::Draining(_))
    }

    /// Whether the caller is being asked for a pin: his keys are nobody's business.
    pub fn is_prompting(&self) -> bool {
        matches!(self.phase, Phase::Prompting(_))
    }

    /// Whether it can be transferred, held and moved.
    pub fn is_active(&self) -> bool {
        matches!(self.phase, Phase::Active(_))
    }

    /// Whether it is over, though answers may still be due.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Ending(_) | Phase::Recording(_) | Phase::Ended)
    }
}
