//! Offers in the middle of a call, of either side: other codecs, addresses and keys, and hold.

use super::{
    Phase,
    active::{Active, tell},
};
use crate::{
    Effect, Facts, SipCommand,
    media::{MediaPlan, Sound},
    midcall::Reoffer,
    negotiation::{Negotiation, Unusable},
    session_timer::{self, TimerHeaders, Verdict},
};
use bytes::Bytes;
use std::{collections::BTreeMap, time::Duration};
use trunkline_sdp::{Direction, Security};
use trunkline_sip::{HeaderList, RequestId};
use trunkline_types::{EndReason, Time};

/// Set to `true` while we hold the far end; whoever writes it puts it on hold.
pub(super) const HOLD: &str = "trunkline.hold";

impl Active {
    /// The far end's re-INVITE. What cannot be answered leaves the session as it was.
    pub(super) fn reinvited(
        &mut self,
        sdp: Option<Bytes>,
        timer: &TimerHeaders,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        let answered = self.answer_timer(timer, facts, now).and_then(|headers| {
            let step = match &sdp {
                _ if self.mid.reoffer.is_some() => Err(Refused::pending()),
                Some(offer) => self.negotiation.reoffered(offer, &facts.setup.security).map_err(Refused::from),
                None => self.negotiation.clone().respond(&facts.setup, self.port).map_err(Refused::from),
            };
            Ok((headers, step?))
        });
        match answered {
            Ok((headers, step)) => {
                self.take_timer(timer, facts, now);
                effects.push(Effect::Sip(SipCommand::AnswerReinvite { headers, sdp: step.sdp }));
                self.negotiation = step.next;
                if let Some(media) = step.media {
                    self.settled(media, facts, now, effects);
                }
            }
            Err(Refused { status, reason, headers }) => {
                effects.push(Effect::Sip(SipCommand::RejectReinvite { status, reason, headers }));
            }
        }
    }

    /// The far end's UPDATE (RFC 3311): with an offer or to refresh the session.
    pub(super) fn updated(
        &mut self,
        request: RequestId,
        sdp: Option<Bytes>,
        timer: &TimerHeaders,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        let answered = self.answer_timer(timer, facts, now).and_then(|headers| {
            let open = self.mid.reoffer.is_some() || self.negotiation.awaits_answer();
            let step = match &sdp {
                Some(_) if open => return Err(Refused::pending()),
                Some(offer) => Some(self.negotiation.reoffered(offer, &facts.setup.security)?),
                None => None,
            };
            Ok((headers, step))
        });
        match answered {
            Ok((headers, step)) => {
                self.take_timer(timer, facts, now);
                let (status, reason) = (200, "OK".to_owned());
                let sdp = step.as_ref().map(|step| step.sdp.clone());
                effects.push(Effect::Sip(SipCommand::Respond { request, status, reason, headers, sdp }));
                if let Some(step) = step {
                    self.negotiation = step.next;
                    if let Some(media) = step.media {
                        self.settled(media, facts, now, effects);
                    }
                }
            }
            Err(Refused { status, reason, headers }) => {
                effects.push(Effect::Sip(SipCommand::Respond { request, status, reason, headers, sdp: None }));
            }
        }
    }

    /// The headers of the timer in our answer.
    fn answer_timer(&self, asked: &TimerHeaders, facts: &Facts, now: Time) -> Result<HeaderList, Refused> {
        match session_timer::as_server(asked, facts.setup.midcall.session_expires, now) {
            Verdict::TooShort(min_se) => Err(Refused {
                status: 422,
                reason: "Session Interval Too Small".into(),
                headers: vec![("Min-SE".into(), min_se.to_string())],
            }),
            Verdict::Agreed(_, headers) => Ok(headers),
            Verdict::None => Ok(Vec::new()),
        }
    }

    /// A request of the far end that is answered has refreshed the session, or ended its timer.
    fn take_timer(&mut self, asked: &TimerHeaders, facts: &Facts, now: Time) {
        self.mid.agreed.timer = match session_timer::as_server(asked, facts.setup.midcall.session_expires, now) {
            Verdict::Agreed(timer, _) => Some(timer),
            Verdict::None | Verdict::TooShort(_) => None,
        };
    }

    /// Somebody has written our attributes: he may want the far end on hold, or back.
    pub(crate) fn attributes_changed(&mut self, facts: &Facts, effects: &mut Vec<Effect>) {
        let wanted = facts.attributes.get(HOLD).is_some_and(|attribute| attribute.value == "true");
        if wanted != self.mid.hold_wanted {
            self.mid.hold_wanted = wanted;
            self.pursue(facts, effects);
        }
    }

    pub(super) fn hold_requested(&mut self, hold: bool, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) {
        self.mid.hold_asked = true;
        self.want_hold(hold, facts, now, effects);
        self.pursue(facts, effects);
    }

    fn want_hold(&mut self, hold: bool, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) {
        self.mid.hold_wanted = hold;
        let value = if hold { "true" } else { "" };
        if facts.attributes.get(HOLD).map_or("", |held| held.value.as_str()) != value {
            tell(BTreeMap::from([(HOLD.to_owned(), value.to_owned())]), facts, now, effects);
        }
    }

    /// Makes the offer that is due, if none is under way.
    pub(super) fn pursue(&mut self, facts: &Facts, effects: &mut Vec<Effect>) {
        let (hold, mid) = (self.mid.hold_wanted, &mut self.mid);
        if mid.reoffer.is_some() || mid.again_at.is_some() {
            return;
        }
        if hold == mid.holding && !mid.refresh_by_offer {
            if std::mem::take(&mut mid.hold_asked) {
                effects.push(Effect::Held(Ok(())));
            }
            return;
        }
        let direction = match (hold, facts.setup.midcall.hold_music) {
            (false, _) => Direction::SendRecv,
            (true, true) => Direction::SendOnly,
            // Without music nobody shall hear the room.
            (true, false) => Direction::Inactive,
        };
        let security = if mid.agreed.secure { &facts.setup.security } else { &Security::OFF };
        let Some((offer, local)) = self.negotiation.reoffer(direction, facts.record.codec, security) else {
            // An answer of the far end's is due; then this is looked at again.
            return;
        };
        let headers = mid.agreed.timer.as_mut().map_or_else(Vec::new, |timer| {
            timer.refreshing();
            timer.refresh_headers()
        });
        mid.refresh_by_offer = false;
        effects.push(Effect::Sip(SipCommand::Reinvite { headers, sdp: offer.print() }));
        mid.reoffer = Some(Box::new(Reoffer { offer, local, hold }));
    }

    /// 2xx to our re-INVITE.
    pub(super) fn reoffer_taken(
        mut self: Box<Self>,
        sdp: Option<Bytes>,
        timer: &TimerHeaders,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        effects.push(Effect::Sip(SipCommand::Acknowledge));
        let Some(reoffer) = self.mid.reoffer.take() else { return Phase::Active(self) };
        let security = if self.mid.agreed.secure { &facts.setup.security } else { &Security::OFF };
        let answer = sdp.unwrap_or_default();
        match Negotiation::reoffer_answered(&reoffer.offer, &reoffer.local, &answer, security) {
            Ok((next, media)) => {
                self.negotiation = next;
                self.mid.holding = reoffer.hold;
                if self.mid.agreed.timer.is_some() {
                    self.mid.agreed.timer = session_timer::as_client(timer, now);
                }
                self.settled(media, facts, now, effects);
                self.sound(facts, effects);
                self.pursue(facts, effects);
                Phase::Active(self)
            }
            Err(unusable) => {
                effects.push(Effect::Log(format!("the re-INVITE's answer cannot be used: {}", unusable.why)));
                self.held(Err((488, unusable.why)), effects);
                let text = "the far end answered our re-INVITE with something unusable";
                self.hang_up(EndReason::NoCommonCodec, text, facts, now, effects)
            }
        }
    }

    /// Our re-INVITE was refused: the session is as it was.
    pub(super) fn reoffer_refused(
        mut self: Box<Self>,
        status: u16,
        reason: &str,
        wait: Duration,
        facts: &mut Facts,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Phase {
        let Some(reoffer) = self.mid.reoffer.take() else { return Phase::Active(self) };
        let was_refresh = reoffer.hold == self.mid.holding;
        match status {
            491 => {
                self.mid.refresh_by_offer |= was_refresh;
                self.mid.again_at = Some(now + wait);
            }
            // The far end no longer knows the call (RFC 5057 §5.1).
            408 | 481 => {
                self.held(Err((status, reason.to_owned())), effects);
                let text = "the far end no longer knows the call";
                return self.hang_up(EndReason::SessionExpired, text, facts, now, effects);
            }
            _ => {
                effects.push(Effect::Log(format!("our re-INVITE was refused with {status}")));
                if let Some(timer) = &mut self.mid.agreed.timer {
                    timer.postpone(now);
                }
                if !was_refresh {
                    self.held(Err((status, reason.to_owned())), effects);
                    let held = self.mid.holding;
                    self.want_hold(held, facts, now, effects);
                }
            }
        }
        Phase::Active(self)
    }

    fn held(&mut self, result: Result<(), (u16, String)>, effects: &mut Vec<Effect>) {
        if std::mem::take(&mut self.mid.hold_asked) {
            effects.push(Effect::Held(result));
        }
    }

    /// Plays what the far end is to hear now in place of the room.
    pub(super) fn sound(&mut self, facts: &Facts, effects: &mut Vec<Effect>) {
        let rings = facts.transfer.as_ref().is_some_and(|transfer| transfer.order.dialtone);
        let sound = match (rings, self.mid.holding && facts.setup.midcall.hold_music) {
            (_, true) => Some(Sound::HoldMusic),
            (true, false) => Some(Sound::Ringing),
            (false, false) => None,
        };
        if self.mid.playing != sound {
            self.mid.playing = sound;
            effects.push(Effect::Media(MediaPlan::Play { leg: facts.leg(), sound }));
        }
    }
}

/// Why a request of the far end is refused.
struct Refused {
    status: u16,
    reason: String,
    headers: HeaderList,
}

impl Refused {
    fn pending() -> Self {
        Self { status: 491, reason: "Request Pending".into(), headers: Vec::new() }
    }
}

impl From<Unusable> for Refused {
    fn from(unusable: Unusable) -> Self {
        Self { headers: unusable.headers(), status: unusable.status, reason: unusable.reason }
    }
}
