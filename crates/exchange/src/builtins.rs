//! Built-in participants: dispatched by name like agents, living on the media threads.

use crate::{Exchange, Output};
use std::collections::BTreeMap;
use trunkline_call::media::{Builtin, MediaPlan};
use trunkline_room::{Join, Kind, RoomInfo};
use trunkline_types::{ParticipantSid, RoomSid, Time};

/// The built-in participants there are.
#[derive(Default)]
pub(crate) struct Builtins {
    by_participant: BTreeMap<ParticipantSid, Present>,
    /// Rooms that are finished while a call may still hear their last words.
    finished: Vec<RoomSid>,
}

struct Present {
    room: RoomSid,
    room_name: String,
    identity: String,
    speech: Speech,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Speech {
    /// Not published yet.
    Preparing,
    /// Published; nobody has subscribed.
    Ready,
    /// Told to speak.
    Told,
}

impl Builtins {
    pub(crate) fn is_builtin(&self, participant: &ParticipantSid) -> bool {
        self.by_participant.contains_key(participant)
    }

    pub(crate) fn remove(&mut self, participant: &ParticipantSid) {
        self.by_participant.remove(participant);
    }

    pub(crate) fn room_finished(&mut self, room: &RoomSid) {
        if self.by_participant.values().any(|p| p.room == *room) {
            self.finished.push(room.clone());
        }
    }
}

impl Exchange {
    /// Starts the built-in participant of that name; `false` if there is none.
    pub(crate) fn start_builtin(
        &mut self,
        room: &RoomInfo,
        agent: &str,
        metadata: &str,
        now: Time,
        outputs: &mut Vec<Output>,
    ) -> bool {
        let Some(builtin) = Builtin::by_agent_name(agent) else { return false };
        let identity = self.random.id("agent-");
        let join = Join {
            identity: identity.clone(),
            name: agent.into(),
            kind: Kind::Agent,
            metadata: metadata.into(),
            ..Default::default()
        };
        let mut events = Vec::new();
        if let Ok((info, participant)) = self.rooms.join(&room.name, join, &Default::default(), now, &mut events) {
            let present =
                Present { room: info.sid.clone(), room_name: room.name.clone(), identity, speech: Speech::Preparing };
            self.builtins.by_participant.insert(participant.sid.clone(), present);
            self.hush(&info.sid, outputs);
            outputs.push(Output::Media(MediaPlan::StartBuiltin {
                participant: participant.sid,
                room: info.sid,
                builtin,
            }));
        }
        self.room_events(events, now, outputs);
        true
    }

    pub(crate) fn builtin_ready(
        &mut self,
        participant: &ParticipantSid,
        _room: &RoomSid,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let Some(present) = self.builtins.by_participant.get_mut(participant) else { return };
        present.speech = Speech::Ready;
        let (room, identity) = (present.room_name.clone(), present.identity.clone());
        let mut events = Vec::new();
        self.rooms.activate(&room, &identity, now, &mut events);
        // A room that has closed meanwhile has taken its participants with it.
        let mime = self.rooms.room(&room).map_or("", |held| held.voice_codec.mime());
        let _ = self.rooms.publish(&room, &identity, &identity, mime, now, &mut events);
        self.room_events(events, now, outputs);
    }

    /// Somebody listens: those who are ready begin to speak.
    pub(crate) fn play_builtins(&mut self, room: &RoomSid, outputs: &mut Vec<Output>) {
        if self.calls.of_room(room).is_empty() {
            return;
        }
        for (participant, present) in &mut self.builtins.by_participant {
            if present.room == *room && present.speech == Speech::Ready {
                present.speech = Speech::Told;
                let plan = MediaPlan::PlayBuiltin { participant: participant.clone(), room: room.clone() };
                outputs.push(Output::Media(plan));
            }
        }
    }

    /// A client hears this one, if it is one of ours: it begins to speak.
    pub(crate) fn play_builtin(&mut self, participant: &ParticipantSid, outputs: &mut Vec<Output>) {
        if let Some(present) = self.builtins.by_participant.get_mut(participant)
            && present.speech == Speech::Ready
        {
            present.speech = Speech::Told;
            let plan = MediaPlan::PlayBuiltin { participant: participant.clone(), room: present.room.clone() };
            outputs.push(Output::Media(plan));
        }
    }

    /// Stops the built-in participants of a finished room once no call hears them any more.
    pub(crate) fn stop_orphaned_builtins(&mut self, room: &RoomSid, outputs: &mut Vec<Output>) {
        if !self.builtins.finished.contains(room) || !self.calls.of_room(room).is_empty() {
            return;
        }
        self.builtins.finished.retain(|r| r != room);
        self.builtins.by_participant.retain(|participant, present| {
            let orphaned = present.room == *room;
            if orphaned {
                let plan = MediaPlan::StopBuiltin { participant: participant.clone(), room: room.clone() };
                outputs.push(Output::Media(plan));
            }
            !orphaned
        });
    }
}
