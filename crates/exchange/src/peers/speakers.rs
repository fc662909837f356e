//! Who speaks.

use crate::{Exchange, Output};
use std::{collections::BTreeMap, time::Duration};
use trunkline_room::signal::{Response, Speaker};
use trunkline_types::{ParticipantSid, RoomSid, Time, TrackSid};

/// Levels are told in so many steps, so that small changes are not.
const STEPS: f32 = 8.0;

impl Exchange {
    /// A media thread says who speaks; everybody in the room is told what has changed.
    pub(super) fn speaking(&mut self, room: &RoomSid, levels: &[(TrackSid, f32)], outputs: &mut Vec<Output>) {
        let Some(held) = self.peers.rooms.get_mut(room) else { return };
        let mut now: BTreeMap<ParticipantSid, u8> = BTreeMap::new();
        for (track, level) in levels {
            let Some(track) = held.tracks.get(track).filter(|t| !t.hidden) else { continue };
            if !level.is_finite() {
                continue;
            }
            let step = (level.clamp(0.0, 1.0) * STEPS).ceil() as u8;
            let loudest = now.entry(track.publisher.clone()).or_default();
            *loudest = step.max(*loudest);
        }
        let before = std::mem::replace(&mut held.speaking, now.clone());
        let speaker = |sid: &ParticipantSid, step: Option<u8>| Speaker {
            participant: sid.clone(),
            level: f32::from(step.unwrap_or_default()) / STEPS,
            active: step.is_some(),
        };
        let mut changes: Vec<Speaker> = now
            .iter()
            .filter(|(sid, step)| before.get(*sid) != Some(step))
            .map(|(sid, step)| speaker(sid, Some(*step)))
            .collect();
        changes.extend(before.keys().filter(|sid| !now.contains_key(*sid)).map(|sid| speaker(sid, None)));
        if !changes.is_empty() {
            self.say_all(room, None, &Response::Speakers(changes), outputs);
        }
    }

    /// For a test scenario: the participant is said to speak for a while, whatever it does.
    pub(super) fn feign_speech(&mut self, sid: &ParticipantSid, seconds: i32, now: Time, outputs: &mut Vec<Output>) {
        let seconds = u64::try_from(seconds).unwrap_or(0).clamp(1, 60);
        if let Some(session) = self.peers.get_mut(sid) {
            session.feigned = Some(now + Duration::from_secs(seconds));
            self.feign(sid, true, outputs);
        }
    }

    pub(super) fn feign_silence(&mut self, sid: &ParticipantSid, outputs: &mut Vec<Output>) {
        if let Some(session) = self.peers.get_mut(sid) {
            session.feigned = None;
            self.feign(sid, false, outputs);
        }
    }

    fn feign(&self, sid: &ParticipantSid, active: bool, outputs: &mut Vec<Output>) {
        let Some(session) = self.peers.get(sid) else { return };
        let level = if active { 0.9 } else { 0.0 };
        let told = Response::Speakers(vec![Speaker { participant: sid.clone(), level, active }]);
        if session.permission.hidden {
            self.say(sid, told, outputs);
        } else {
            self.say_all(&session.room.clone(), None, &told, outputs);
        }
    }
}
