//! INVITE with Replaces (RFC 3891): a new call takes the place of one of ours, and its participant.

use crate::{Exchange, Output, calls::Place};
use trunkline_call::{Event, RoomEvent};
use trunkline_room::ParticipantPatch;
use trunkline_routing::{Dispatch, record::AnswerPolicy};
use trunkline_sip::{Message, Replaces, flow::Flow};
use trunkline_types::{CallId, Time, TrunkId};

impl Exchange {
    /// The call that an INVITE wants to replace, or why it cannot be. It has to come through the same
    /// trunk or, where we called, from the very host that we called: nobody takes over the calls of
    /// others. One that rings with us is no dialog yet (RFC 3891 §3); one of ours that rings may be
    /// picked up elsewhere, which is all that `early-only` allows.
    pub(crate) fn replaced(
        &self,
        message: &Message,
        flow: &Flow,
        trunk: Option<&TrunkId>,
    ) -> Result<Option<CallId>, (u16, &'static str)> {
        let values = message.header_values("Replaces");
        let value = match values.as_slice() {
            [] => return Ok(None),
            [value] => value,
            _ => return Err((400, "More than one Replaces")),
        };
        let gone = (481, "Call/Transaction Does Not Exist");
        let replaces = Replaces::parse(value).ok_or((400, "Bad Replaces"))?;
        let dialog = self.stack.replaced(&replaces).ok_or(gone)?;
        let call = self.calls.by_dialog.get(&dialog).ok_or(gone)?;
        let entry = self.calls.get(call).ok_or(gone)?;
        let setup = &entry.call.facts().setup;
        let by_far_end = || setup.outbound.is_some() && self.stack.is_peer(&dialog, flow.remote.ip());
        if trunk.is_none_or(|trunk| *trunk != setup.trunk_id && !by_far_end()) {
            return Err(gone);
        }
        if self.stack.is_early(&dialog) && !entry.call.is_over() {
            return Ok(Some(call.clone()));
        }
        if !entry.call.is_active() {
            return Err((603, "Declined"));
        }
        if replaces.early_only {
            return Err((486, "Busy Here"));
        }
        Ok(Some(call.clone()))
    }

    /// Turns the decision about an INVITE with Replaces into one for the room of the replaced call.
    pub(crate) fn replacing(
        &self,
        message: &Message,
        flow: &Flow,
        mut dispatch: Dispatch,
    ) -> (Dispatch, Option<CallId>) {
        let trunk = dispatch.trunk.as_ref().map(|trunk| trunk.id.clone());
        let Ok(Some(call)) = self.replaced(message, flow, trunk.as_ref()) else { return (dispatch, None) };
        let Some((room, identity)) = self.calls.get(&call).and_then(|entry| entry.place.names()) else {
            return (dispatch, None);
        };
        (dispatch.room_name, dispatch.identity) = (room.to_owned(), identity.to_owned());
        dispatch.options.answer_policy = Some(AnswerPolicy::Immediate);
        (dispatch, Some(call))
    }

    /// The call becomes the participant of the one that it replaces; `false` if it replaces none.
    pub(crate) fn take_place(&mut self, id: &CallId, now: Time, outputs: &mut Vec<Output>) -> bool {
        let Some(old) = self.calls.get_mut(id).and_then(|entry| entry.replaces.take()) else { return false };
        let Some(Place::Inside { room_name, room, participant, identity }) =
            self.calls.get(&old).map(|entry| entry.place.clone())
        else {
            return false;
        };
        let (Some(info), Ok(held)) = (self.rooms.room(&room_name), self.rooms.participant(&room_name, &identity))
        else {
            return false;
        };
        let mut events = Vec::new();
        for track in &held.tracks {
            self.rooms.unpublish(&room_name, &identity, &track.sid, now, &mut events);
        }
        self.room_events(events, now, outputs);
        self.calls.left_room(&old);
        self.calls.forget_room(&old, &room);
        self.calls.enter(id, room.clone(), participant.clone(), room_name.clone(), identity.clone());
        let attributes = self.calls.get(id).map(|entry| entry.call.facts().attribute_values()).unwrap_or_default();
        let patch = ParticipantPatch { attributes, ..ParticipantPatch::default() };
        let mut events = Vec::new();
        // What does not fit beside the old ones is left out; the call goes on.
        let _ = self.rooms.update_participant(&room_name, &identity, &patch, now, &mut events);
        self.events.push_back((old, Event::Replaced));
        let joined = RoomEvent::Joined { room, participant: participant.clone(), identity };
        self.events.push_back((id.clone(), Event::Room(joined)));
        self.room_events(events, now, outputs);
        self.look_round(id, &info, &participant, outputs);
        true
    }
}
