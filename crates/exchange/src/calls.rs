//! The calls, how SIP finds them, and what their effects do.

use crate::{
    Exchange, Output,
    midcall::Asked,
    port::{Level, Record, Webhook},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    panic::{AssertUnwindSafe, catch_unwind},
};
use trunkline_call::{Call, Effect, Event, Moment, RoomCommand, RoomEvent, SipCommand};
use trunkline_room::{Join, Kind, Packet, ParticipantPatch, RoomInfo, RoomSettings};
use trunkline_routing::CallFacts;
use trunkline_sip::{ClientId, DialogId, InviteId, RequestId};
use trunkline_types::{CallId, ParticipantSid, RoomSid, Time};

/// A call and the SIP things that belong to it.
pub(crate) struct Entry {
    pub(crate) call: Call,
    /// Of a call that came in.
    pub(crate) invite: Option<InviteId>,
    pub(crate) dialog: Option<DialogId>,
    pub(crate) reinvite: Option<InviteId>,
    pub(crate) bye: Option<RequestId>,
    /// The number of our first REFER: NOTIFYs may come.
    pub(crate) refer_cseq: Option<u32>,
    /// What routing has to know when the caller has entered his pin.
    pub(crate) asked: Option<Box<CallFacts>>,
    /// The call whose participant this one becomes (RFC 3891).
    pub(crate) replaces: Option<CallId>,
    pub(crate) place: Place,
    /// Applied if the call creates its room.
    pub(crate) room_settings: RoomSettings,
    pub(crate) traced: usize,
    timer: Option<Time>,
}

/// Where a call is in the world of rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Outside,
    Inside {
        room_name: String,
        room: RoomSid,
        participant: ParticipantSid,
        identity: String,
    },
    /// It was in this room; built-in participants there may still be speaking to it.
    Left {
        room: RoomSid,
    },
}

impl Place {
    pub(crate) fn room(&self) -> Option<&RoomSid> {
        match self {
            Self::Outside => None,
            Self::Inside { room, .. } | Self::Left { room } => Some(room),
        }
    }

    /// The participant the call is, while it is one.
    pub(crate) fn participant(&self) -> Option<&ParticipantSid> {
        match self {
            Self::Inside { participant, .. } => Some(participant),
            Self::Outside | Self::Left { .. } => None,
        }
    }

    /// The name of its room and its identity there, while it is a participant.
    pub(crate) fn names(&self) -> Option<(&str, &str)> {
        match self {
            Self::Inside { room_name, identity, .. } => Some((room_name, identity)),
            Self::Outside | Self::Left { .. } => None,
        }
    }
}

/// All calls, with the indexes that find them.
#[derive(Default)]
pub(crate) struct Calls {
    entries: BTreeMap<CallId, Box<Entry>>,
    timers: BTreeSet<(Time, CallId)>,
    pub(crate) by_sip_call_id: HashMap<String, CallId>,
    pub(crate) by_invite: HashMap<InviteId, CallId>,
    pub(crate) by_dialog: HashMap<DialogId, CallId>,
    pub(crate) by_client: HashMap<ClientId, CallId>,
    /// Requests of ours in the middle of calls.
    pub(crate) by_asked: HashMap<ClientId, (CallId, Asked)>,
    pub(crate) by_participant: HashMap<ParticipantSid, CallId>,
    by_room: HashMap<RoomSid, BTreeSet<CallId>>,
}

impl Calls {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn ids(&self) -> Vec<CallId> {
        self.entries.keys().cloned().collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().map(|entry| &**entry)
    }

    pub(crate) fn get(&self, id: &CallId) -> Option<&Entry> {
        self.entries.get(id).map(|entry| &**entry)
    }

    pub(crate) fn get_mut(&mut self, id: &CallId) -> Option<&mut Entry> {
        self.entries.get_mut(id).map(|entry| &mut **entry)
    }

    /// The calls that are in the room, or were and are still ending.
    pub(crate) fn of_room(&self, room: &RoomSid) -> Vec<CallId> {
        self.by_room.get(room).into_iter().flatten().cloned().collect()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        self.timers.first().map(|(at, _)| *at)
    }

    pub(crate) fn due(&self, now: Time) -> Vec<CallId> {
        self.timers.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| id.clone()).collect()
    }

    pub(crate) fn insert(&mut self, id: CallId, call: Call, invite: Option<InviteId>, room_settings: RoomSettings) {
        let sip_call_id = call.facts().setup.invite.call_id.clone();
        self.by_sip_call_id.insert(sip_call_id, id.clone());
        if let Some(invite) = &invite {
            self.by_invite.insert(invite.clone(), id.clone());
        }
        let entry = Entry {
            call,
            invite,
            dialog: None,
            reinvite: None,
            bye: None,
            refer_cseq: None,
            asked: None,
            replaces: None,
            place: Place::Outside,
            room_settings,
            traced: 0,
            timer: None,
        };
        self.entries.insert(id.clone(), Box::new(entry));
        self.rearm(&id);
    }

    fn rearm(&mut self, id: &CallId) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let due = entry.call.poll_timeout();
        if entry.timer == due {
            return;
        }
        if let Some(at) = std::mem::replace(&mut entry.timer, due) {
            self.timers.remove(&(at, id.clone()));
        }
        if let Some(at) = due {
            self.timers.insert((at, id.clone()));
        }
    }

    pub(crate) fn enter(
        &mut self,
        id: &CallId,
        room: RoomSid,
        participant: ParticipantSid,
        room_name: String,
        identity: String,
    ) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        self.by_participant.insert(participant.clone(), id.clone());
        self.by_room.entry(room.clone()).or_default().insert(id.clone());
        entry.place = Place::Inside { room_name, room, participant, identity };
    }

    /// Takes note that the call is no longer a participant.
    pub(crate) fn left_room(&mut self, id: &CallId) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        if let Place::Inside { room, participant, .. } = &entry.place {
            self.by_participant.remove(participant);
            entry.place = Place::Left { room: room.clone() };
        }
    }

    /// Takes note that the call has nothing to do with a room any more.
    pub(crate) fn forget_room(&mut self, id: &CallId, room: &RoomSid) {
        if let Some(calls) = self.by_room.get_mut(room) {
            calls.remove(id);
            if calls.is_empty() {
                self.by_room.remove(room);
            }
        }
        if let Some(entry) = self.entries.get_mut(id) {
            entry.place = Place::Outside;
        }
    }

    fn remove(&mut self, id: &CallId) -> Option<Box<Entry>> {
        let entry = self.entries.remove(id)?;
        if let Some(at) = entry.timer {
            self.timers.remove(&(at, id.clone()));
        }
        let sip_call_id = &entry.call.facts().setup.invite.call_id;
        if self.by_sip_call_id.get(sip_call_id) == Some(id) {
            self.by_sip_call_id.remove(sip_call_id);
        }
        if let Some(invite) = &entry.invite {
            self.by_invite.remove(invite);
        }
        if let Some(reinvite) = &entry.reinvite {
            self.by_invite.remove(reinvite);
        }
        if let Some(dialog) = &entry.dialog {
            self.by_dialog.remove(dialog);
        }
        if let Place::Inside { participant, .. } = &entry.place {
            self.by_participant.remove(participant);
        }
        if let Some(room) = entry.place.room().cloned() {
            self.forget_room(id, &room);
        }
        Some(entry)
    }
}

impl Exchange {
    /// Hands an event to its call and carries out what follows. A panic costs that call alone.
    pub(crate) fn call_event(&mut self, id: &CallId, event: Event, now: Time, outputs: &mut Vec<Output>) {
        let Some(entry) = self.calls.get_mut(id) else { return };
        let mut effects = Vec::new();
        let handled = catch_unwind(AssertUnwindSafe(|| entry.call.handle(event, now, &mut effects)));
        if handled.is_err() {
            effects.clear();
            entry.call.abort(now, &mut effects);
            self.gauges.call_panics += 1;
            Self::log(Level::Error, Some(id), "a fault while the call was handled; it is ended", outputs);
        }
        self.call_effects(id, effects, now, outputs);
        self.calls.rearm(id);
    }

    pub(crate) fn call_effects(&mut self, id: &CallId, effects: Vec<Effect>, now: Time, outputs: &mut Vec<Output>) {
        for effect in effects {
            match effect {
                Effect::Sip(command) => self.call_sip(id, command, now, outputs),
                Effect::Room(command) => self.call_room(id, command, now, outputs),
                Effect::Media(plan) => outputs.push(Output::Media(plan)),
                Effect::Persist(record) => self.persist_call(id, Record::PutCall(*record), outputs),
                Effect::Announce(moment, record) => {
                    let event = match moment {
                        Moment::Ringing => "sip_call_ringing",
                        Moment::Answered => "sip_call_answered",
                        Moment::Ended => "sip_call_ended",
                    };
                    if moment == Moment::Answered && record.direction == "inbound" {
                        self.gauges.invites_accepted += 1;
                    }
                    let room = self.rooms.room(&record.room_name);
                    outputs.push(Output::Notify(Box::new(Webhook {
                        event,
                        at: now,
                        room,
                        participant: None,
                        track: None,
                        call: Some(*record),
                        job: None,
                    })));
                }
                Effect::Dial(news) => self.dial_news(id, news, outputs),
                Effect::Transfer(news) => self.transfer_news(id, news, now, outputs),
                Effect::Bridge { target, timeout } => self.bridge_to(id, &target.0, timeout, now, outputs),
                Effect::Held(result) => self.held(id, result, outputs),
                Effect::CheckPin(pin) => self.check_pin(id, &pin.0),
                Effect::Log(text) => Self::log(Level::Info, Some(id), text, outputs),
                Effect::Finish => self.finish(id, outputs),
            }
        }
    }

    fn finish(&mut self, id: &CallId, outputs: &mut Vec<Output>) {
        let Some(entry) = self.calls.remove(id) else { return };
        self.forget_waiters(id, outputs);
        if let Some(dialog) = &entry.dialog {
            self.stack.forget(dialog);
        }
        if entry.call.facts().is_outbound() {
            self.dial_finished(id, &entry.call.facts().setup.trunk_id, outputs);
        }
        let reason = entry.call.facts().record.ending.as_ref().map_or("other", |e| e.reason.as_str());
        *self.gauges.calls_terminated.entry(reason.into()).or_default() += 1;
        Self::log(Level::Info, Some(id), format!("ended: {reason}"), outputs);
        if let Some(room) = entry.place.room() {
            self.stop_orphaned_builtins(&room.clone(), outputs);
        }
    }

    fn call_sip(&mut self, id: &CallId, command: SipCommand, now: Time, outputs: &mut Vec<Output>) {
        if let SipCommand::Dial(command) = command {
            return self.dial_sip(id, command, now, outputs);
        }
        let Some(entry) = self.calls.get_mut(id) else { return };
        let (stack, tag) = (&mut self.stack, id.as_str());
        let mut actions = Vec::new();
        match command {
            SipCommand::Dial(_) => {}
            SipCommand::Ring => {
                if let Some(invite) = &entry.invite {
                    stack.provisional(invite, tag, 180, "Ringing", &[], now, &mut actions);
                }
            }
            SipCommand::Answer { headers, sdp } => {
                let body = Some(("application/sdp", sdp.into_bytes().into()));
                let answered = |invite: &InviteId| stack.answer(invite, tag, &headers, body, now, &mut actions);
                entry.dialog = entry.invite.as_ref().and_then(answered);
                if let Some(dialog) = entry.dialog.clone() {
                    self.calls.by_dialog.insert(dialog, id.clone());
                }
            }
            SipCommand::Reject { status, reason, headers } => {
                if let Some(invite) = &entry.invite {
                    stack.reject(invite, tag, status, &reason, &headers, now, &mut actions);
                }
            }
            SipCommand::AnswerReinvite { headers, sdp } => {
                if let Some(reinvite) = entry.reinvite.take() {
                    let body = Some(("application/sdp", sdp.into_bytes().into()));
                    stack.answer(&reinvite, tag, &headers, body, now, &mut actions);
                    self.calls.by_invite.remove(&reinvite);
                }
            }
            SipCommand::RejectReinvite { status, reason, headers } => {
                if let Some(reinvite) = entry.reinvite.take() {
                    stack.reject(&reinvite, tag, status, &reason, &headers, now, &mut actions);
                    self.calls.by_invite.remove(&reinvite);
                }
            }
            SipCommand::Bye { headers } => {
                let client =
                    entry.dialog.as_ref().and_then(|d| stack.request(d, "BYE", &headers, None, now, &mut actions));
                match client {
                    Some(client) => {
                        self.calls.by_client.insert(client, id.clone());
                    }
                    None => self.events.push_back((id.clone(), Event::ByeFailed { why: "there is no dialog" })),
                }
            }
            SipCommand::AnswerBye { headers } => {
                if let Some(request) = entry.bye.take() {
                    stack.respond(&request, 200, "OK", &headers, None, now, &mut actions);
                }
            }
            SipCommand::Respond { request, status, reason, headers, sdp } => {
                let body = sdp.map(|sdp| ("application/sdp", sdp.into_bytes().into()));
                stack.respond(&request, status, &reason, &headers, body, now, &mut actions);
            }
            command => return self.call_asks(id, command, now, outputs),
        }
        self.sip_actions(actions, None, now, outputs);
    }

    /// A call that has come into a room learns who is there, and they of it.
    pub(crate) fn look_round(
        &mut self,
        id: &CallId,
        room: &RoomInfo,
        inside: &ParticipantSid,
        outputs: &mut Vec<Output>,
    ) {
        self.heard_by_phone(&room.sid, Some(inside), outputs);
        self.agents_seen_by(id, room);
        if self.someone_else_publishes(&room.name, id) {
            self.subscribe_call(id);
            self.play_builtins(&room.sid, outputs);
        }
    }

    fn call_room(&mut self, id: &CallId, command: RoomCommand, now: Time, outputs: &mut Vec<Output>) {
        let mut events = Vec::new();
        match command {
            RoomCommand::Join { .. } if self.take_place(id, now, outputs) => {}
            RoomCommand::Join { room, identity, name, metadata, attributes } => {
                let Some(entry) = self.calls.get_mut(id) else { return };
                let settings = std::mem::take(&mut entry.room_settings);
                let join = Join { identity, name, kind: Kind::Sip, metadata, attributes, ..Join::default() };
                match self.rooms.join(&room, join, &settings, now, &mut events) {
                    Ok((info, participant)) => {
                        self.rooms.activate(&room, &participant.identity, now, &mut events);
                        let identity = participant.identity.clone();
                        self.calls.enter(id, info.sid.clone(), participant.sid.clone(), room.clone(), identity.clone());
                        let inside = participant.sid.clone();
                        let joined =
                            RoomEvent::Joined { room: info.sid.clone(), participant: participant.sid, identity };
                        self.events.push_back((id.clone(), Event::Room(joined)));
                        self.look_round(id, &info, &inside, outputs);
                    }
                    Err(error) => {
                        let failed = RoomEvent::JoinFailed { why: error.to_string() };
                        self.dial_not_joined(id, error);
                        self.events.push_back((id.clone(), Event::Room(failed)));
                    }
                }
            }
            command => {
                let Some(Place::Inside { room_name, identity, .. }) = self.calls.get(id).map(|e| e.place.clone())
                else {
                    return;
                };
                match command {
                    RoomCommand::Join { .. } => {}
                    RoomCommand::Publish => {
                        let mime = self.rooms.room(&room_name).map_or("", |room| room.voice_codec.mime());
                        let published = self.rooms.publish(&room_name, &identity, &identity, mime, now, &mut events);
                        if let Err(error) = published {
                            Self::log(Level::Warn, Some(id), format!("the track was not published: {error}"), outputs);
                        }
                    }
                    RoomCommand::SetAttributes(attributes) => {
                        let patch = ParticipantPatch { attributes, ..Default::default() };
                        if let Err(error) =
                            self.rooms.update_participant(&room_name, &identity, &patch, now, &mut events)
                        {
                            Self::log(Level::Warn, Some(id), format!("attributes were not set: {error}"), outputs);
                        }
                    }
                    RoomCommand::SendDtmf { code, digit } => {
                        let packet = Packet::SipDtmf { code, digit };
                        // A room that is gone needs no digits.
                        let _ = self.rooms.send(&room_name, &identity, packet, now, &mut events);
                    }
                    RoomCommand::Leave(reason) => {
                        self.calls.left_room(id);
                        // A room that is gone has been left.
                        let _ = self.rooms.leave(&room_name, &identity, reason, now, &mut events);
                    }
                }
            }
        }
        self.room_events(events, now, outputs);
    }
}
