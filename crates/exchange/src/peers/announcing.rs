//! What happens in a room reaches the clients in it.

use super::table::Track;
use crate::{Exchange, Output, port::Level};
use trunkline_call::media::peer::PeerPlan;
use trunkline_room::{ParticipantInfo, RoomInfo, TrackInfo, TrackKind, signal::Response};
use trunkline_types::{ParticipantSid, RoomSid, Time, TrackSid};

impl Exchange {
    /// Tells one client something; without signalling it is not told.
    pub(super) fn say(&self, sid: &ParticipantSid, response: Response, outputs: &mut Vec<Output>) {
        if let Some(connection) = self.peers.get(sid).and_then(|s| s.connection) {
            outputs.push(Output::Signal(connection, Box::new(response)));
        }
    }

    /// Tells everybody in the room something, but one.
    pub(super) fn say_all(
        &self,
        room: &RoomSid,
        but: Option<&ParticipantSid>,
        response: &Response,
        outputs: &mut Vec<Output>,
    ) {
        for session in self.peers.of_room(room).filter(|s| Some(&s.sid) != but) {
            self.say(&session.sid, response.clone(), outputs);
        }
    }

    /// Shows a participant to everybody who may see it; itself included, unless it is passed over.
    pub(super) fn show(
        &self,
        room: &RoomSid,
        participant: &ParticipantInfo,
        but: Option<&ParticipantSid>,
        outputs: &mut Vec<Output>,
    ) {
        let update = Response::Update(vec![participant.clone()]);
        if participant.permission.hidden {
            if but != Some(&participant.sid) {
                self.say(&participant.sid, update, outputs);
            }
            return;
        }
        self.say_all(room, but, &update, outputs);
    }

    /// Tells everybody of the room if it is not what they were told last.
    pub(crate) fn show_room(&mut self, info: &RoomInfo, but: Option<&ParticipantSid>, outputs: &mut Vec<Output>) {
        let Some(room) = self.peers.rooms.get_mut(&info.sid) else { return };
        if room.told.as_ref() == Some(info) {
            return;
        }
        room.told = Some(info.clone());
        self.say_all(&info.sid, but, &Response::RoomUpdate(info.clone()), outputs);
    }

    /// A participant became ACTIVE.
    pub(crate) fn peers_joined(&mut self, room: &RoomInfo, participant: &ParticipantInfo, outputs: &mut Vec<Output>) {
        self.show(&room.sid, participant, None, outputs);
        self.show_room(room, None, outputs);
        if self.peers.get(&participant.sid).is_none() {
            self.hush(&room.sid, outputs);
        }
    }

    /// Name, metadata, attributes or permission have changed.
    pub(crate) fn peers_updated(
        &mut self,
        room: &RoomSid,
        participant: &ParticipantInfo,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        self.show(room, participant, None, outputs);
        let Some(session) = self.peers.get_mut(&participant.sid) else { return };
        if session.permission != participant.permission {
            session.permission = participant.permission;
            self.revoke_tracks(participant, now, outputs);
            self.refresh_wants(&participant.sid, now, outputs);
        }
        self.say(&participant.sid, Response::RefreshToken(Box::new(participant.clone())), outputs);
    }

    /// A track can be heard or seen.
    pub(crate) fn peers_published(
        &mut self,
        room: &RoomInfo,
        participant: &ParticipantInfo,
        track: &TrackInfo,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let Some(origin) = self.origin_of(&participant.sid, track) else {
            return Self::log(Level::Warn, None, "a track without media is not shown", outputs);
        };
        let held = Track {
            publisher: participant.sid.clone(),
            kind: track.kind,
            hidden: participant.permission.hidden,
            muted: track.muted,
            barred: false,
            hushed: false,
            heard: false,
        };
        self.peers.room(&room.sid).tracks.insert(track.sid.clone(), held);
        Self::plan(PeerPlan::Publish { room: room.sid.clone(), track: track.sid.clone(), origin }, outputs);
        self.hush(&room.sid, outputs);
        self.show(&room.sid, participant, None, outputs);
        self.show_room(room, None, outputs);
        self.refresh_room(&room.sid, now, outputs);
        let phone = self.calls.of_room(&room.sid).iter().any(|call| {
            let entry = self.calls.get(call);
            entry.and_then(|e| e.place.participant()).is_some_and(|inside| *inside != participant.sid)
        });
        let held = self.peers.rooms.get(&room.sid).and_then(|r| r.tracks.get(&track.sid));
        if phone && held.is_some_and(|t| !t.barred) && track.kind == TrackKind::Audio {
            self.heard(&room.sid, &track.sid, outputs);
        }
    }

    /// A track was muted or unmuted, or what is said of it has changed.
    pub(crate) fn peers_track_changed(
        &mut self,
        room: &RoomSid,
        participant: &ParticipantInfo,
        track: &TrackInfo,
        outputs: &mut Vec<Output>,
    ) {
        let held = self.peers.rooms.get_mut(room).and_then(|r| r.tracks.get_mut(&track.sid));
        if let Some(held) = held.filter(|t| t.muted != track.muted) {
            held.muted = track.muted;
            self.hush(room, outputs);
        }
        self.show(room, participant, None, outputs);
    }

    /// A track is gone.
    pub(crate) fn peers_unpublished(
        &mut self,
        room: &RoomInfo,
        participant: &ParticipantInfo,
        track: &TrackInfo,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        if let Some(session) = self.peers.get_mut(&participant.sid) {
            session.publishing.forget(&track.sid);
            session.audience.forget(&track.sid);
        }
        self.drop_track(&room.sid, &track.sid, outputs);
        self.show(&room.sid, participant, None, outputs);
        self.show_room(room, None, outputs);
        self.refresh_room(&room.sid, now, outputs);
    }

    /// Takes a track out of the room, with all its subscriptions.
    pub(super) fn drop_track(&mut self, room: &RoomSid, track: &TrackSid, outputs: &mut Vec<Output>) {
        let Some(held) = self.peers.rooms.get_mut(room) else { return };
        if held.tracks.remove(track).is_none() {
            return;
        }
        Self::plan(PeerPlan::Unpublish { room: room.clone(), track: track.clone() }, outputs);
        for sid in self.peers.members(room) {
            if let Some(session) = self.peers.get_mut(&sid) {
                session.sections.forget(track);
                session.offering.forget(track);
                session.choices.remove(track);
                session.barred.remove(track);
            }
        }
    }

    /// The room is gone; everybody has left it.
    pub(crate) fn peers_finished(&mut self, room: &RoomSid) {
        self.peers.rooms.remove(room);
    }
}
