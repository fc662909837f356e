//! A client tells how a track of its own has changed.

use super::publishing::MAX_DETAILS;
use crate::{Exchange, Output};
use trunkline_room::{
    TrackInfo, TrackKind,
    signal::{About, Outcome, Response, TrackChange},
};
use trunkline_types::{ParticipantSid, Time, TrackSid};

/// Pixels of a video in either direction.
const MAX_PIXELS: u32 = 16_384;
/// `TF_STEREO` and `TF_NO_DTX` of LiveKit's `AudioTrackFeature`.
const STEREO: i32 = 0;
const NO_DTX: i32 = 1;

impl Exchange {
    /// `UpdateLocalAudioTrack` and `UpdateLocalVideoTrack`: everybody is told, the client itself by
    /// that; only a refusal is answered.
    pub(super) fn update_track(
        &mut self,
        sid: &ParticipantSid,
        track: TrackSid,
        change: TrackChange,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let refusal = match self.own_track(sid, &track) {
            None => Some((Outcome::NotFound, "track is not found")),
            Some(held) => refusal(held.kind, &change),
        };
        if let Some((outcome, message)) = refusal {
            let (message, about) = (message.into(), About::UpdateTrack(track, change));
            return self.say(sid, Response::RequestResponse { request_id: 0, outcome, message, about }, outputs);
        }
        let Some(session) = self.peers.get_mut(sid) else { return };
        if let Some(pending) = session.publishing.announced(&track) {
            return apply(pending, &change);
        }
        let (name, identity) = (session.room_name.clone(), session.identity.clone());
        let mut events = Vec::new();
        // A track that is gone meanwhile has nothing to be told of.
        _ = self.rooms.change_track(&name, &identity, &track, |held| apply(held, &change), &mut events);
        self.room_events(events, now, outputs);
    }

    /// What is known of a track that the client has announced or publishes.
    fn own_track(&mut self, sid: &ParticipantSid, track: &TrackSid) -> Option<TrackInfo> {
        let session = self.peers.get_mut(sid)?;
        if let Some(pending) = session.publishing.announced(track) {
            return Some(pending.clone());
        }
        let participant = self.rooms.participant(&session.room_name, &session.identity).ok()?;
        participant.tracks.into_iter().find(|t| t.sid == *track)
    }
}

fn refusal(kind: TrackKind, change: &TrackChange) -> Option<(Outcome, &'static str)> {
    match (kind, change) {
        (TrackKind::Audio, TrackChange::Audio { features }) => {
            (features.len() > MAX_DETAILS).then_some((Outcome::LimitExceeded, "exceeds the number of track features"))
        }
        (TrackKind::Video, TrackChange::Video { width, height }) => {
            (*width.max(height) > MAX_PIXELS).then_some((Outcome::LimitExceeded, "exceeds track dimensions limit"))
        }
        (TrackKind::Audio, TrackChange::Video { .. }) => Some((Outcome::UnsupportedType, "track is not a video")),
        (TrackKind::Video, TrackChange::Audio { .. }) => Some((Outcome::UnsupportedType, "track is not audio")),
    }
}

fn apply(track: &mut TrackInfo, change: &TrackChange) {
    match change {
        TrackChange::Audio { features } => {
            track.audio_features.clear();
            for feature in features {
                if !track.audio_features.contains(feature) {
                    track.audio_features.push(*feature);
                }
            }
            track.stereo = features.contains(&STEREO);
            track.disable_dtx = features.contains(&NO_DTX);
        }
        TrackChange::Video { width, height } => (track.width, track.height) = (*width, *height),
    }
}
