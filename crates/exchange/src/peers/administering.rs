//! What an API client does to a participant's tracks and subscriptions.

use crate::{
    Exchange, Output,
    command::{ApiError, Code, Reply},
};
use trunkline_room::{Error, signal::Response};
use trunkline_types::{Time, TrackSid};

impl Exchange {
    /// `MutePublishedTrack`: the publisher is told, and everybody sees it. Nobody is unmuted from
    /// afar.
    pub(crate) fn mute_by_api(
        &mut self,
        room: &str,
        identity: &str,
        track: &TrackSid,
        muted: bool,
        now: Time,
        outputs: &mut Vec<Output>,
    ) -> Result<Reply, ApiError> {
        let participant = self.rooms.participant(room, identity)?;
        let held = participant.tracks.iter().find(|t| t.sid == *track).ok_or(Error::NoSuchTrack)?;
        if held.muted && !muted {
            let message = "remote unmute not enabled";
            return Err(ApiError::new(Code::FailedPrecondition, message));
        }
        let mut events = Vec::new();
        let track = self.rooms.mute(room, identity, track, muted, &mut events)?;
        if !events.is_empty() {
            let sid = track.sid.clone();
            self.say(&participant.sid, Response::Mute { track: sid, muted }, outputs);
        }
        self.room_events(events, now, outputs);
        Ok(Reply::Track(Box::new(track)))
    }

    /// `UpdateSubscriptions`: somebody chooses for a client.
    pub(crate) fn subscribe_by_api(
        &mut self,
        room: &str,
        identity: &str,
        tracks: &[TrackSid],
        subscribe: bool,
        now: Time,
        outputs: &mut Vec<Output>,
    ) -> Result<Reply, ApiError> {
        let participant = self.rooms.participant(room, identity)?;
        if self.peers.get(&participant.sid).is_none() {
            let message = "the participant is no client: it hears everybody";
            return Err(ApiError::new(Code::FailedPrecondition, message));
        }
        self.choose(&participant.sid, tracks, subscribe, now, outputs);
        Ok(Reply::Done)
    }
}
