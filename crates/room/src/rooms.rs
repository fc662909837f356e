//! All rooms of the server.

use crate::{
    Error, Event, Join, Kind, Packet, ParticipantInfo, ParticipantPatch, RoomInfo, RoomSettings, State,
    defaults::Defaults,
    room::{self, Room},
};
use std::collections::{BTreeMap, BTreeSet};
use trunkline_types::{DisconnectReason, ParticipantSid, Random, RoomSid, Time, VoiceCodec};

/// See the module.
#[derive(Debug)]
pub struct Rooms {
    defaults: Defaults,
    pub(crate) random: Random,
    rooms: BTreeMap<String, Room>,
    /// When which room closes.
    timers: BTreeSet<(Time, String)>,
    armed: BTreeMap<String, Time>,
    participants: usize,
    /// The media thread that new rooms are for, and of how many.
    place: (usize, usize),
}

impl Rooms {
    /// No room yet.
    pub fn new(defaults: Defaults, random: Random) -> Self {
        let (rooms, timers, armed) = Default::default();
        Self { defaults, random, rooms, timers, armed, participants: 0, place: (0, 1) }
    }

    /// Rooms that begin from now on get a sid that this of so many media threads carries.
    pub fn place_on(&mut self, thread: usize, threads: usize) {
        self.place = (thread, threads);
    }

    /// Creates a room, or changes the non-zero fields of one that exists (`CreateRoom`).
    ///
    /// # Errors
    /// An empty or too long name, too long metadata.
    pub fn create(
        &mut self,
        name: &str,
        settings: RoomSettings,
        now: Time,
        out: &mut Vec<Event>,
    ) -> Result<RoomInfo, Error> {
        room::check_metadata(&settings.metadata)?;
        if let Some(room) = self.rooms.get_mut(name) {
            room.apply(settings);
            let info = room.info();
            out.push(Event::RoomUpdated { room: info.clone() });
            self.rearm(name);
            return Ok(info);
        }
        self.open(name, &settings, now, out)
    }

    fn open(
        &mut self,
        name: &str,
        settings: &RoomSettings,
        now: Time,
        out: &mut Vec<Event>,
    ) -> Result<RoomInfo, Error> {
        if name.is_empty() {
            return Err(Error::Empty { field: "the room's name" });
        }
        room::check_length("the room's name", name)?;
        let (thread, threads) = self.place;
        let sid = RoomSid::random_on(&mut self.random, thread, threads);
        let room = Room::new(sid, name, room::resolved(settings, &self.defaults), now);
        let info = room.info();
        out.push(Event::RoomStarted { room: info.clone(), agents: settings.agents.clone() });
        self.rooms.insert(name.into(), room);
        self.rearm(name);
        Ok(info)
    }

    /// The rooms of these names, or all; by creation.
    pub fn list(&self, names: &[String]) -> Vec<RoomInfo> {
        let mut rooms: Vec<_> =
            self.rooms.values().filter(|r| names.is_empty() || names.contains(&r.name)).map(Room::info).collect();
        rooms.sort_by_key(|r| r.creation_time_ms);
        rooms
    }

    /// The room of that name.
    pub fn room(&self, name: &str) -> Option<RoomInfo> {
        self.rooms.get(name).map(Room::info)
    }

    /// What the room of that name speaks, or would if it were made now and asked to speak this.
    pub fn voice_codec(&self, name: &str, asked: Option<VoiceCodec>) -> VoiceCodec {
        let there = self.rooms.get(name).map(|room| room.info().voice_codec);
        there.or(asked).unwrap_or(self.defaults.voice_codec)
    }

    /// The sid of the room of that name.
    pub fn sid(&self, name: &str) -> Option<RoomSid> {
        self.rooms.get(name).map(|r| r.sid.clone())
    }

    /// Everybody leaves with `ROOM_DELETED`, then the room is finished.
    ///
    /// # Errors
    /// There is no such room.
    pub fn delete(&mut self, name: &str, now: Time, out: &mut Vec<Event>) -> Result<(), Error> {
        self.close(name, DisconnectReason::RoomDeleted, now, out)
    }

    fn close(&mut self, name: &str, reason: DisconnectReason, now: Time, out: &mut Vec<Event>) -> Result<(), Error> {
        let identities: Vec<_> = self.get(name)?.members.keys().cloned().collect();
        for identity in identities {
            self.leave(name, &identity, reason, now, out)?;
        }
        if let Some(room) = self.rooms.remove(name) {
            out.push(Event::RoomFinished { room: room.info() });
        }
        self.rearm(name);
        Ok(())
    }

    /// Joins, and creates the room if it is not there. A call whose identity is taken gets a suffix, so that a second call from a number never throws out the first; anybody else
    /// takes the place of the one before (`DUPLICATE_IDENTITY`).
    ///
    /// # Errors
    /// Over a limit, the room is full, or it does not exist and may not be created.
    pub fn join(
        &mut self,
        name: &str,
        mut join: Join,
        settings_if_new: &RoomSettings,
        now: Time,
        out: &mut Vec<Event>,
    ) -> Result<(RoomInfo, ParticipantInfo), Error> {
        if join.identity.is_empty() {
            return Err(Error::Empty { field: "identity" });
        }
        room::check_length("identity", &join.identity)?;
        room::check_length("name", &join.name)?;
        room::check_metadata(&join.metadata)?;
        room::check_attributes(&join.attributes)?;
        let mut started = Vec::new();
        if !self.rooms.contains_key(name) {
            if !self.defaults.auto_create {
                return Err(Error::NoSuchRoom);
            }
            self.open(name, settings_if_new, now, &mut started)?;
        }
        let room = self.get(name)?;
        let max = room.settings.max_participants;
        let counts = !matches!(join.kind, Kind::Agent | Kind::Egress);
        let is_call = join.kind == Kind::Sip && join.protocol == 0;
        // Whoever takes the place of the one before needs no place of its own.
        let replaces = !is_call && room.members.contains_key(&join.identity);
        if counts && max != 0 && !replaces && room.present() >= max as usize {
            return Err(Error::Full { max });
        }
        if room.members.contains_key(&join.identity) {
            if is_call {
                let wanted = join.identity.clone();
                while self.get(name)?.members.contains_key(&join.identity) {
                    let suffix = self.random.id("");
                    join.identity = format!("{wanted}_{}", suffix.get(..4).unwrap_or_default());
                }
            } else {
                self.leave(name, &join.identity.clone(), DisconnectReason::DuplicateIdentity, now, out)?;
            }
        }
        if !is_call {
            join.attributes.retain(|_, value| !value.is_empty());
        }
        let participant = room::newcomer(join, ParticipantSid::random(&mut self.random), now);
        let room = self.get_mut(name)?;
        room.members.insert(participant.identity.clone(), Box::new(participant.clone()));
        room.note_presence(now);
        let info = room.info();
        self.participants += 1;
        self.rearm(name);
        // After the join, so that whoever is dispatched finds the one the room was made for.
        out.append(&mut started);
        Ok((info, participant))
    }

    /// The client of a member that was joined in its stead is there. What the member has become
    /// meanwhile stays; only what its client understands is new. `None` if no such member waits.
    pub fn take_place(&mut self, name: &str, sid: &ParticipantSid, join: &Join) -> Option<(RoomInfo, ParticipantInfo)> {
        let room = self.get_mut(name).ok()?;
        let member = room.member(&join.identity).ok()?;
        if member.sid != *sid || member.state == State::Active {
            return None;
        }
        member.client_protocol = join.client_protocol;
        member.capabilities.clone_from(&join.capabilities);
        member.version = member.version.wrapping_add(1);
        let participant = member.clone();
        Some((room.info(), participant))
    }

    /// The participant is ready: others see it.
    pub fn activate(&mut self, name: &str, identity: &str, _now: Time, out: &mut Vec<Event>) {
        let Ok(room) = self.get_mut(name) else { return };
        let Ok(member) = room.member(identity) else { return };
        if member.state == State::Active {
            return;
        }
        member.state = State::Active;
        member.version = member.version.wrapping_add(1);
        let participant = member.clone();
        out.push(Event::ParticipantJoined { room: room.info(), participant });
    }

    /// Leaves, or is made to.
    ///
    /// # Errors
    /// There is no such room or participant.
    pub fn leave(
        &mut self,
        name: &str,
        identity: &str,
        reason: DisconnectReason,
        now: Time,
        out: &mut Vec<Event>,
    ) -> Result<ParticipantInfo, Error> {
        let room = self.get_mut(name)?;
        let mut participant = *room.members.remove(identity).ok_or(Error::NoSuchParticipant)?;
        let was_active = participant.state == State::Active;
        participant.state = State::Disconnected;
        participant.disconnect_reason = Some(reason);
        participant.version = participant.version.wrapping_add(1);
        room.note_presence(now);
        out.push(Event::ParticipantLeft { room: room.info(), participant: participant.clone(), was_active });
        self.participants -= 1;
        self.rearm(name);
        Ok(participant)
    }

    /// The participants of a room; none if there is no such room.
    pub fn participants(&self, name: &str) -> Vec<ParticipantInfo> {
        self.rooms.get(name).map(|r| r.members.values().map(|member| (**member).clone()).collect()).unwrap_or_default()
    }

    /// One participant.
    ///
    /// # Errors
    /// There is no such room or participant.
    pub fn participant(&self, name: &str, identity: &str) -> Result<ParticipantInfo, Error> {
        let room = self.rooms.get(name).ok_or(Error::NoSuchParticipant)?;
        room.members.get(identity).map(|member| (**member).clone()).ok_or(Error::NoSuchParticipant)
    }

    /// Changes name, metadata, attributes or permission (`UpdateParticipant`).
    ///
    /// # Errors
    /// There is no such room or participant, or a limit is passed; then nothing is changed.
    pub fn update_participant(
        &mut self,
        name: &str,
        identity: &str,
        patch: &ParticipantPatch,
        _now: Time,
        out: &mut Vec<Event>,
    ) -> Result<ParticipantInfo, Error> {
        let room = self.get_mut(name).map_err(|_| Error::NoSuchParticipant)?;
        let (sid, room_name) = (room.sid.clone(), room.name.clone());
        let member = room.member(identity)?;
        let changed = room::patch(member, patch)?;
        let participant = member.clone();
        out.push(Event::ParticipantUpdated { room: sid, room_name, participant: participant.clone(), changed });
        Ok(participant)
    }

    /// Changes the room's metadata (`UpdateRoomMetadata`).
    ///
    /// # Errors
    /// There is no such room, or the metadata is too long.
    pub fn update_metadata(
        &mut self,
        name: &str,
        metadata: String,
        _now: Time,
        out: &mut Vec<Event>,
    ) -> Result<RoomInfo, Error> {
        room::check_metadata(&metadata)?;
        let room = self.get_mut(name)?;
        room.settings.metadata = metadata;
        let info = room.info();
        out.push(Event::RoomUpdated { room: info.clone() });
        Ok(info)
    }

    /// Sends data to everybody else in the room; `from` is empty for the server.
    ///
    /// # Errors
    /// There is no such room.
    pub fn send(
        &mut self,
        name: &str,
        from: &str,
        packet: Packet,
        _now: Time,
        out: &mut Vec<Event>,
    ) -> Result<(), Error> {
        let room = self.get(name)?;
        out.push(Event::Data { room: room.sid.clone(), room_name: name.into(), from: from.into(), packet });
        Ok(())
    }

    /// How many rooms and participants there are.
    pub fn counts(&self) -> (usize, usize) {
        (self.rooms.len(), self.participants)
    }

    /// When to call [`Self::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Closes the rooms whose time has come; agents that are left go with `ROOM_CLOSED`.
    pub fn handle_timeout(&mut self, now: Time, out: &mut Vec<Event>) {
        while let Some((at, name)) = self.timers.first().cloned()
            && at <= now
        {
            if self.close(&name, DisconnectReason::RoomClosed, now, out).is_err() {
                self.timers.pop_first();
            }
        }
    }

    fn get(&self, name: &str) -> Result<&Room, Error> {
        self.rooms.get(name).ok_or(Error::NoSuchRoom)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Result<&mut Room, Error> {
        self.rooms.get_mut(name).ok_or(Error::NoSuchRoom)
    }

    fn rearm(&mut self, name: &str) {
        if let Some(at) = self.armed.remove(name) {
            self.timers.remove(&(at, name.to_owned()));
        }
        if let Some(at) = self.rooms.get(name).and_then(Room::closes_at) {
            self.timers.insert((at, name.to_owned()));
            self.armed.insert(name.into(), at);
        }
    }
}
