//! Whom a publisher lets hear and see its tracks: LiveKit's `SubscriptionPermission`.

use super::{audience::Tracks, session::Session};
use crate::{Exchange, Output};
use std::collections::BTreeMap;
use trunkline_call::media::peer::PeerPlan;
use trunkline_room::{
    TrackKind,
    signal::{About, Outcome, Response, TrackPermission},
};
use trunkline_types::{CallId, ParticipantSid, RoomSid, Time, TrackSid, limits};

/// Participants in a publisher's list; whoever comes after them may not subscribe.
const MAX_LISTED: usize = 1024;
/// Tracks looked at in one entry.
const MAX_NAMED: usize = 64;

impl Exchange {
    /// A publisher says who may subscribe to its tracks. What it said before no longer holds.
    pub(super) fn permit(
        &mut self,
        sid: &ParticipantSid,
        everybody: bool,
        listed: &[TrackPermission],
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let audience = if everybody { None } else { self.listed(sid, listed) };
        let Some(session) = self.peers.get_mut(sid) else { return };
        let is_change = audience.is_some() || session.audience.listed.is_some();
        session.audience.was_restricted |= audience.is_some();
        session.audience.listed = audience;
        let room = session.room.clone();
        if !everybody && listed.len() > MAX_LISTED {
            let (outcome, message) = (Outcome::LimitExceeded, "exceeds the number of participants let in".into());
            let response = Response::RequestResponse { request_id: 0, outcome, message, about: About::Nothing };
            self.say(sid, response, outputs);
        }
        if !is_change {
            return;
        }
        self.refresh_room(&room, now, outputs);
        self.hush(&room, outputs);
        for call in self.calls.of_room(&room) {
            let Some((name, _)) = self.calls.get(&call).and_then(|entry| entry.place.names()) else { continue };
            if self.someone_else_publishes(name, &call) {
                self.subscribe_call(&call);
            }
            self.heard_by_phone(&room, None, outputs);
        }
    }

    /// The list by identity. Entries that name nobody, or two, let nobody in; tracks that are not
    /// the publisher's are passed over.
    fn listed(&self, sid: &ParticipantSid, listed: &[TrackPermission]) -> Option<BTreeMap<String, Tracks>> {
        let session = self.peers.get(sid)?;
        let present: BTreeMap<ParticipantSid, String> =
            self.rooms.participants(&session.room_name).into_iter().map(|p| (p.sid, p.identity)).collect();
        let mut by_identity = BTreeMap::new();
        for entry in listed.iter().take(MAX_LISTED) {
            let by_sid = present.get(&entry.participant);
            let identity = match (entry.identity.is_empty(), by_sid) {
                (true, None) => continue,
                (true, Some(identity)) => identity,
                (false, Some(identity)) if *identity != entry.identity => continue,
                (false, _) => &entry.identity,
            };
            if identity.chars().count() > limits::NAME_CHARS {
                continue;
            }
            let tracks = if entry.all_tracks {
                Tracks::All
            } else {
                let own = entry.tracks.iter().take(MAX_NAMED).filter(|t| session.publishing.knows(t));
                Tracks::These(own.cloned().collect())
            };
            by_identity.insert(identity.clone(), tracks);
        }
        Some(by_identity)
    }

    /// Whether the publisher of a track lets this client hear or see it.
    pub(super) fn lets(&self, track: &TrackSid, session: &Session) -> bool {
        let publisher = self.peers.rooms.get(&session.room).and_then(|r| r.tracks.get(track)).map(|t| &t.publisher);
        publisher.is_none_or(|publisher| self.may_hear(&session.identity, publisher, track))
    }

    /// Whether a publisher lets somebody hear or see its track.
    fn may_hear(&self, identity: &str, publisher: &ParticipantSid, track: &TrackSid) -> bool {
        self.peers.get(publisher).is_none_or(|session| session.audience.lets(track, identity))
    }

    /// Whether a publisher lets a caller hear its track.
    pub(crate) fn call_may_hear(&self, call: &CallId, publisher: &ParticipantSid, track: &TrackSid) -> bool {
        let names = self.calls.get(call).and_then(|entry| entry.place.names());
        names.is_none_or(|(_, identity)| self.may_hear(identity, publisher, track))
    }

    /// Tells a client which tracks it may no longer subscribe to, and which it may again.
    pub(super) fn tell_permissions(&mut self, sid: &ParticipantSid, outputs: &mut Vec<Output>) {
        let Some(session) = self.peers.get(sid).filter(|s| s.permission.can_subscribe) else { return };
        let Some(room) = self.peers.rooms.get(&session.room) else { return };
        let mut news = Vec::new();
        for (track, held) in room.tracks.iter().filter(|(_, held)| held.publisher != *sid && !held.hidden) {
            let allowed = self.may_hear(&session.identity, &held.publisher, track);
            if allowed == session.barred.contains(track) {
                news.push((held.publisher.clone(), track.clone(), allowed));
            }
        }
        for (participant, track, allowed) in news {
            let Some(session) = self.peers.get_mut(sid) else { return };
            if allowed {
                session.barred.remove(&track);
            } else {
                session.barred.insert(track.clone());
            }
            self.say(sid, Response::SubscriptionPermission { participant, track, allowed }, outputs);
        }
    }

    /// A resuming client may have missed what it was told.
    pub(super) fn repeat_permissions(&self, sid: &ParticipantSid, outputs: &mut Vec<Output>) {
        let Some(session) = self.peers.get(sid) else { return };
        let Some(room) = self.peers.rooms.get(&session.room) else { return };
        for (track, held) in room.tracks.iter().filter(|(_, held)| held.publisher != *sid && !held.hidden) {
            if self.peers.get(&held.publisher).is_some_and(|p| p.audience.was_restricted) {
                let (participant, track) = (held.publisher.clone(), track.clone());
                let allowed = !session.barred.contains(&track);
                self.say(sid, Response::SubscriptionPermission { participant, track, allowed }, outputs);
            }
        }
    }

    /// Phones and built-in participants all hear the same mix: a track that one of them in the room
    /// may not hear is kept from all of them, like one that is muted.
    pub(crate) fn hush(&mut self, room: &RoomSid, outputs: &mut Vec<Output>) {
        let Some(held) = self.peers.rooms.get(room).filter(|r| !r.tracks.is_empty()) else { return };
        let strict = self.peers.of_room(room).find(|s| s.audience.listed.is_some());
        let others: Vec<String> = match strict {
            Some(strict) => {
                let all = self.rooms.participants(&strict.room_name).into_iter();
                all.filter(|p| !self.peers.is_client(&p.sid)).map(|p| p.identity).collect()
            }
            None => Vec::new(),
        };
        let mut changes = Vec::new();
        for (track, held) in &held.tracks {
            let barred = held.kind == TrackKind::Audio
                && others.iter().any(|identity| !self.may_hear(identity, &held.publisher, track));
            if barred != held.barred || (held.muted || barred) != held.hushed {
                changes.push((track.clone(), barred));
            }
        }
        for (track, barred) in changes {
            let Some(held) = self.peers.rooms.get_mut(room).and_then(|r| r.tracks.get_mut(&track)) else { continue };
            let muted = held.muted || barred;
            held.barred = barred;
            if std::mem::replace(&mut held.hushed, muted) == muted {
                continue;
            }
            Self::plan(PeerPlan::MuteTrack { room: room.clone(), track, muted }, outputs);
        }
    }
}
