//! A call of ours is answered and its digits are being sent (`sip.callStatus` is `automation`).
//!
//! The call is in its active phase meanwhile: either side may end it, and the far end may change
//! its session.

use crate::{
    Effect, Facts, RoomCommand, SipCommand,
    dial::{DialCommand, DialNews},
    media::MediaPlan,
};
use std::collections::BTreeMap;
use trunkline_types::Time;

/// Sends the digits. By INFO they go one behind the other without pauses: each is a request of its
/// own, which the far end acknowledges.
pub(crate) fn send(digits: String, facts: &mut Facts, now: Time, effects: &mut Vec<Effect>) {
    let by_info = facts.setup.outbound.as_ref().is_some_and(|o| o.dtmf_by_info);
    if !by_info {
        effects.push(Effect::Media(MediaPlan::SendDtmf { leg: facts.leg(), digits }));
        return;
    }
    for digit in digits.chars().filter(|d| !matches!(d, 'w' | 'W')) {
        effects.push(Effect::Sip(SipCommand::Dial(DialCommand::Info { digit })));
    }
    // The pauses are kept by media, which plays nothing but them.
    let pauses: String = digits.chars().filter(|d| matches!(d, 'w' | 'W')).collect();
    if pauses.is_empty() {
        return sent(facts, now, effects);
    }
    effects.push(Effect::Media(MediaPlan::SendDtmf { leg: facts.leg(), digits: pauses }));
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
