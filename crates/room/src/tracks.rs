//! The tracks of participants.

use crate::{Error, Event, ParticipantInfo, RoomInfo, Rooms, TrackInfo};
use trunkline_types::{Time, TrackSid};

impl Rooms {
    /// Publishes an audio track.
    ///
    /// # Errors
    /// There is no such room or participant.
    pub fn publish(
        &mut self,
        name: &str,
        identity: &str,
        track_name: &str,
        mime_type: &str,
        now: Time,
        out: &mut Vec<Event>,
    ) -> Result<TrackInfo, Error> {
        let track = TrackInfo { name: track_name.into(), mime_type: mime_type.into(), ..TrackInfo::default() };
        let track = TrackInfo { sid: self.track_sid(&track), ..track };
        self.publish_track(name, identity, track, now, out)
    }

    /// Draws a sid for a track of this kind and source.
    pub fn track_sid(&mut self, track: &TrackInfo) -> TrackSid {
        TrackSid::from(self.random.id(track.sid_prefix()))
    }

    /// Publishes a track that has its sid.
    ///
    /// # Errors
    /// There is no such room or participant.
    pub fn publish_track(
        &mut self,
        name: &str,
        identity: &str,
        track: TrackInfo,
        _now: Time,
        out: &mut Vec<Event>,
    ) -> Result<TrackInfo, Error> {
        let room = self.get_mut(name)?;
        let member = room.member(identity)?;
        // Most publish one track.
        member.tracks.reserve_exact(1);
        member.tracks.push(track.clone());
        member.is_publisher = true;
        member.version = member.version.wrapping_add(1);
        let participant = member.clone();
        out.push(Event::TrackPublished { room: room.info(), participant, track: track.clone() });
        Ok(track)
    }

    /// Mutes or unmutes a track; nothing happens if it is so already.
    ///
    /// # Errors
    /// There is no such room, participant or track.
    pub fn mute(
        &mut self,
        name: &str,
        identity: &str,
        track: &TrackSid,
        muted: bool,
        out: &mut Vec<Event>,
    ) -> Result<TrackInfo, Error> {
        self.change_track(name, identity, track, |held| held.muted = muted, out)
    }

    /// Changes what is said of a track; nothing happens if it is so already. Its sid and kind are
    /// not to be changed.
    ///
    /// # Errors
    /// There is no such room, participant or track.
    pub fn change_track(
        &mut self,
        name: &str,
        identity: &str,
        track: &TrackSid,
        change: impl FnOnce(&mut TrackInfo),
        out: &mut Vec<Event>,
    ) -> Result<TrackInfo, Error> {
        let room = self.get_mut(name)?;
        let member = room.member(identity)?;
        let held = member.tracks.iter_mut().find(|t| t.sid == *track).ok_or(Error::NoSuchTrack)?;
        let before = held.clone();
        change(held);
        if *held == before {
            return Ok(before);
        }
        let track = held.clone();
        member.version = member.version.wrapping_add(1);
        let (participant, room): (ParticipantInfo, RoomInfo) = (member.clone(), room.info());
        out.push(Event::TrackUpdated { room, participant, track: track.clone() });
        Ok(track)
    }

    /// Takes a track back.
    pub fn unpublish(&mut self, name: &str, identity: &str, track: &TrackSid, _now: Time, out: &mut Vec<Event>) {
        let Ok(room) = self.get_mut(name) else { return };
        let Ok(member) = room.member(identity) else { return };
        let Some(at) = member.tracks.iter().position(|t| t.sid == *track) else { return };
        let track = member.tracks.remove(at);
        member.is_publisher = !member.tracks.is_empty();
        member.version = member.version.wrapping_add(1);
        let participant = member.clone();
        out.push(Event::TrackUnpublished { room: room.info(), participant, track });
    }
}
