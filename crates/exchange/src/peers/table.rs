//! All sessions, and what a room holds for them.

use super::{places::Places, replay::Replay, rpc::Rpcs, session::Session, switching::TcpAlone};
use crate::port::ConnectionId;
use std::collections::{BTreeMap, BTreeSet};
use trunkline_room::{RoomInfo, TrackKind, signal::Quality};
use trunkline_types::{ParticipantSid, RoomSid, Time, TrackSid};

/// See the module.
#[derive(Default)]
pub(crate) struct Peers {
    sessions: BTreeMap<ParticipantSid, Session>,
    by_connection: BTreeMap<ConnectionId, ParticipantSid>,
    pub(super) rooms: BTreeMap<RoomSid, PeerRoom>,
    pub(super) rpcs: Rpcs,
    pub(super) places: Places,
    pub(super) tcp_alone: TcpAlone,
    timers: BTreeSet<(Time, ParticipantSid)>,
    armed: BTreeMap<ParticipantSid, Time>,
    /// Sessions whose timer may have changed.
    touched: BTreeSet<ParticipantSid>,
}

/// What a room holds for its sessions; its tracks are everybody's.
#[derive(Default)]
pub(super) struct PeerRoom {
    pub(super) members: BTreeSet<ParticipantSid>,
    pub(super) tracks: BTreeMap<TrackSid, Track>,
    /// What the members were last told of the room.
    pub(super) told: Option<RoomInfo>,
    /// Who is known to speak, and how loud in eighths.
    pub(super) speaking: BTreeMap<ParticipantSid, u8>,
    /// How good its members' connections are, as far as it was told.
    pub(super) quality: BTreeMap<ParticipantSid, Quality>,
    pub(super) replay: Replay,
}

/// A published track.
pub(super) struct Track {
    pub(super) publisher: ParticipantSid,
    pub(super) kind: TrackKind,
    /// Of a hidden participant: nobody subscribes to it.
    pub(super) hidden: bool,
    /// Its publisher has muted it.
    pub(super) muted: bool,
    /// A phone or built-in participant in the room may not hear it.
    pub(super) barred: bool,
    /// The media thread keeps it from phones and built-in participants.
    pub(super) hushed: bool,
    /// Its publisher was told that somebody hears it.
    pub(super) heard: bool,
}

impl Peers {
    pub(super) fn get(&self, sid: &ParticipantSid) -> Option<&Session> {
        self.sessions.get(sid)
    }

    pub(super) fn get_mut(&mut self, sid: &ParticipantSid) -> Option<&mut Session> {
        let session = self.sessions.get_mut(sid)?;
        self.touched.insert(sid.clone());
        Some(session)
    }

    /// Whether it is a client, or will be when it has come from another room.
    pub(super) fn is_client(&self, sid: &ParticipantSid) -> bool {
        self.sessions.contains_key(sid) || self.places.holds(sid)
    }

    /// The sessions of a room.
    pub(super) fn of_room<'a>(&'a self, room: &RoomSid) -> impl Iterator<Item = &'a Session> + use<'a> {
        let members = self.rooms.get(room).map(|r| &r.members);
        members.into_iter().flatten().filter_map(|sid| self.sessions.get(sid))
    }

    pub(super) fn ids(&self) -> Vec<ParticipantSid> {
        self.sessions.keys().cloned().collect()
    }

    pub(super) fn members(&self, room: &RoomSid) -> Vec<ParticipantSid> {
        self.rooms.get(room).map(|r| r.members.iter().cloned().collect()).unwrap_or_default()
    }

    pub(super) fn room(&mut self, room: &RoomSid) -> &mut PeerRoom {
        self.rooms.entry(room.clone()).or_default()
    }

    pub(super) fn at(&self, connection: ConnectionId) -> Option<ParticipantSid> {
        self.by_connection.get(&connection).cloned()
    }

    pub(super) fn insert(&mut self, session: Session) {
        let sid = session.sid.clone();
        if let Some(connection) = session.connection {
            self.by_connection.insert(connection, sid.clone());
        }
        self.room(&session.room.clone()).members.insert(sid.clone());
        self.sessions.insert(sid.clone(), session);
        self.touched.insert(sid);
    }

    /// The session speaks over this connection from now on, or over none; the one before.
    pub(super) fn connect(&mut self, sid: &ParticipantSid, to: Option<ConnectionId>) -> Option<ConnectionId> {
        let session = self.sessions.get_mut(sid)?;
        let before = std::mem::replace(&mut session.connection, to);
        if let Some(before) = before {
            self.by_connection.remove(&before);
        }
        if let Some(connection) = to {
            self.by_connection.insert(connection, sid.clone());
        }
        before
    }

    pub(super) fn remove(&mut self, sid: &ParticipantSid) -> Option<Session> {
        let session = self.sessions.remove(sid)?;
        if let Some(connection) = session.connection {
            self.by_connection.remove(&connection);
        }
        if let Some(room) = self.rooms.get_mut(&session.room) {
            room.members.remove(sid);
            room.speaking.remove(sid);
            room.quality.remove(sid);
        }
        self.touched.insert(sid.clone());
        Some(session)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        let others = [self.rpcs.poll_timeout(), self.places.poll_timeout()];
        self.timers.first().map(|(at, _)| *at).into_iter().chain(others.into_iter().flatten()).min()
    }

    pub(super) fn due(&self, now: Time) -> Vec<ParticipantSid> {
        self.timers.iter().take_while(|(at, _)| *at <= now).map(|(_, sid)| sid.clone()).collect()
    }

    /// Brings the timers up to date.
    pub(crate) fn rearm(&mut self) {
        for sid in std::mem::take(&mut self.touched) {
            let due = self.sessions.get(&sid).and_then(Session::deadline);
            let before = match due {
                Some(at) => self.armed.insert(sid.clone(), at),
                None => self.armed.remove(&sid),
            };
            if let Some(before) = before {
                self.timers.remove(&(before, sid.clone()));
            }
            if let Some(at) = due {
                self.timers.insert((at, sid));
            }
        }
    }
}
