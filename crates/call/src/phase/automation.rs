//! A call of ours is answered and its digits are being sent (`sip.callStatus` is `automation`).
//!
//! The call is in its active phase meanwhile: either side may end it, and the far end may change
//! its session.

use super::Active;
use crate::{Effect, Facts, RoomCommand, dial::DialNews, media::MediaPlan};
use std::collections::BTreeMap;
use trunkline_types::Time;

impl Active {
    /// Begins to send the digits, the way the trunk wants them.
    pub(super) fn send_digits(&mut self, digits: String, facts: &Facts, now: Time, effects: &mut Vec<Effect>) {
        if facts.setup.midcall.dtmf_by_info {
            self.mid.queue_digits(&digits, now);
        } else {
            effects.push(Effect::Media(MediaPlan::SendDtmf { leg: facts.leg(), digits }));
        }
    }

    /// Whether digits wait to be sent by INFO.
    pub(crate) fn sends_digits(&self) -> bool {
        self.mid.digit_at.is_some()
    }
}

/// All digits are out: the call is active.
pub(crate) fn sent(facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) {
    if !std::mem::take(&mut facts.automating) {
        return;
    }
    let active = BTreeMap::from([("sip.callStatus".to_owned(), "active".to_owned())]);
    facts.set_attributes(&active, now);
    effects.push(Effect::Room(RoomCommand::SetAttributes(active)));
    effects.push(Effect::Dial(DialNews::Active));
}
