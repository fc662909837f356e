//! Who hears whom: the tracks a client wants find sections on its connection.

use super::{
    sections::Want,
    session::{Asked, UNBOUND},
};
use crate::{Exchange, Output, port::Level};
use std::time::Duration;
use trunkline_call::media::peer::{PeerPlan, Side};
use trunkline_room::{
    TrackKind,
    signal::{Response, Transports},
};
use trunkline_types::{ParticipantSid, RoomSid, Time, TrackSid};

/// Tracks named in one request.
pub(super) const MAX_NAMED: usize = 1024;
/// Until a client that did not offer is asked again; twice as long each time.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// Between two requests to one client.
const ASK_PACE: Duration = Duration::from_millis(100);

impl Exchange {
    /// Brings what a client wants in line with the tracks there are, its choices and its permission.
    pub(super) fn refresh_wants(&mut self, sid: &ParticipantSid, now: Time, outputs: &mut Vec<Output>) {
        // A client with one connection learns with the first answer what it will hear: there is one
        // that loses tracks which come right after it has joined anew.
        let Some(session) = self.peers.get(sid).filter(|s| s.active || s.transports == Transports::Single) else {
            return;
        };
        let is_active = session.active;
        let may = session.permission.can_subscribe;
        let wants = |track: &TrackSid| session.choices.get(track).copied().unwrap_or(session.auto_subscribe);
        let tracks = self.peers.rooms.get(&session.room).map(|r| &r.tracks);
        let wanted: Vec<(TrackSid, TrackKind)> = tracks
            .into_iter()
            .flatten()
            .filter(|(track, held)| may && held.publisher != *sid && !held.hidden && wants(track))
            .map(|(track, held)| (track.clone(), held.kind))
            .collect();
        let wanted: Vec<_> = wanted.into_iter().filter(|(track, _)| self.lets(track, session)).collect();
        let Some(session) = self.peers.get_mut(sid) else { return };
        let mut before = std::mem::take(&mut session.wanted);
        for (track, kind) in wanted {
            let new = Want { kind, since: now, disabled: false, warned: false };
            let want = before.remove(&track).unwrap_or(new);
            session.wanted.insert(track, want);
        }
        if is_active {
            self.feed(sid, outputs);
            self.tell_permissions(sid, outputs);
            self.negotiate(sid, now, outputs);
        }
    }

    /// The same for everybody in the room.
    pub(super) fn refresh_room(&mut self, room: &RoomSid, now: Time, outputs: &mut Vec<Output>) {
        for sid in self.peers.members(room) {
            self.refresh_wants(&sid, now, outputs);
        }
    }

    /// A client, or somebody for it, chooses tracks.
    pub(crate) fn choose(
        &mut self,
        sid: &ParticipantSid,
        tracks: &[TrackSid],
        subscribe: bool,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let Some(session) = self.peers.get(sid) else { return };
        let known = self.peers.rooms.get(&session.room).map(|r| &r.tracks);
        let (known, unknown): (Vec<_>, Vec<_>) =
            tracks.iter().take(MAX_NAMED).partition(|t| known.is_some_and(|k| k.contains_key(*t)));
        let Some(session) = self.peers.get_mut(sid) else { return };
        for track in known {
            session.choices.insert(track.clone(), subscribe);
        }
        for track in unknown.into_iter().filter(|_| subscribe) {
            self.say(sid, Response::SubscriptionFailed { track: track.clone(), codec: false }, outputs);
        }
        self.refresh_wants(sid, now, outputs);
    }

    /// The client pauses or resumes tracks.
    pub(super) fn pause(
        &mut self,
        sid: &ParticipantSid,
        tracks: &[TrackSid],
        disabled: bool,
        outputs: &mut Vec<Output>,
    ) {
        let Some(session) = self.peers.get_mut(sid) else { return };
        for track in tracks.iter().take(MAX_NAMED) {
            if let Some(want) = session.wanted.get_mut(track) {
                want.disabled = disabled;
            }
        }
        self.feed(sid, outputs);
    }

    /// Starts and stops forwarding as the client's sections demand.
    pub(super) fn feed(&mut self, sid: &ParticipantSid, outputs: &mut Vec<Output>) {
        let Some(session) = self.peers.get_mut(sid).filter(|s| s.active) else { return };
        let (changes, side) = match session.transports {
            Transports::Single => (session.sections.feed(&session.wanted), Side::Publisher),
            Transports::Dual => (session.offering.feed(&session.wanted), Side::Subscriber),
        };
        let (peer, room) = (session.peer(side), session.room.clone());
        for (mid, track) in changes {
            let peer = peer.clone();
            match track {
                Some(track) => {
                    Self::plan(PeerPlan::Subscribe { peer, mid, track: track.clone() }, outputs);
                    self.heard(&room, &track, outputs);
                }
                None => Self::plan(PeerPlan::Unsubscribe { peer, mid }, outputs),
            }
        }
    }

    /// Somebody hears a track: its publisher is told once. Agents say nothing before.
    pub(super) fn heard(&mut self, room: &RoomSid, track: &TrackSid, outputs: &mut Vec<Output>) {
        let Some(held) = self.peers.rooms.get_mut(room).and_then(|r| r.tracks.get_mut(track)) else { return };
        if std::mem::replace(&mut held.heard, true) {
            return;
        }
        let publisher = held.publisher.clone();
        self.say(&publisher, Response::TrackSubscribed(track.clone()), outputs);
        self.play_builtin(&publisher, outputs);
    }

    /// A SIP leg hears everything in its room.
    pub(crate) fn heard_by_phone(&mut self, room: &RoomSid, but: Option<&ParticipantSid>, outputs: &mut Vec<Output>) {
        self.hush(room, outputs);
        let tracks: Vec<_> = self
            .peers
            .rooms
            .get(room)
            .into_iter()
            .flat_map(|r| &r.tracks)
            .filter(|(_, held)| held.kind == TrackKind::Audio && !held.heard && Some(&held.publisher) != but)
            .filter(|(_, held)| !held.barred)
            .map(|(track, _)| track.clone())
            .collect();
        for track in tracks {
            self.heard(room, &track, outputs);
        }
    }

    /// Has the client's connection negotiated anew if its sections are not what they should be.
    pub(super) fn negotiate(&mut self, sid: &ParticipantSid, now: Time, outputs: &mut Vec<Output>) {
        let Some(session) = self.peers.get_mut(sid).filter(|s| s.active) else { return };
        if session.transports == Transports::Dual {
            return self.make_offer(sid, outputs);
        }
        // An offer that is not answered yet takes in what is wanted now.
        if session.asked.is_some() || session.publishing.is_answering() {
            return;
        }
        match session.last_asked.map(|at| at + ASK_PACE).filter(|at| *at > now) {
            // Where many publish at once one request does for several tracks.
            Some(later) => session.ask_at = session.sections.short(&session.wanted).map(|_| later),
            None => self.ask(sid, 0, now, outputs),
        }
    }

    fn ask(&mut self, sid: &ParticipantSid, tries: u32, now: Time, outputs: &mut Vec<Output>) {
        let Some(session) = self.peers.get_mut(sid) else { return };
        session.asked = None;
        let Some((audios, videos)) = session.sections.short(&session.wanted) else { return };
        let again_at = now + ASK_AGAIN * (1 << tries.min(3));
        session.asked = Some(Asked { audios, videos, tries, again_at });
        (session.last_asked, session.ask_at) = (Some(now), None);
        self.say(sid, Response::MediaSections { audios, videos }, outputs);
    }

    /// An answer is out. One that brought none of the sections we had asked for was to an offer
    /// from before we asked; the one we wait for is still to come.
    pub(super) fn ask_after_answer(
        &mut self,
        sid: &ParticipantSid,
        grown: usize,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let Some(session) = self.peers.get_mut(sid) else { return };
        if session.asked.is_some_and(|a| grown > 0 || (a.audios, a.videos) == (0, 0)) {
            session.asked = None;
        }
        self.negotiate(sid, now, outputs);
    }

    /// The client has not offered in time, or a subscription has waited for too long.
    pub(super) fn subscriptions_due(&mut self, sid: &ParticipantSid, now: Time, outputs: &mut Vec<Output>) {
        let Some(session) = self.peers.get_mut(sid) else { return };
        let late: Vec<_> = session.unbound().filter(|(_, at)| *at <= now).map(|(track, _)| track.clone()).collect();
        for track in &late {
            if let Some(want) = session.wanted.get_mut(track) {
                want.warned = true;
            }
        }
        let asked = session.asked.filter(|a| a.again_at <= now);
        let paced = session.ask_at.take_if(|at| *at <= now).is_some();
        if !late.is_empty() {
            let text = format!("a subscription has no section after {} s", UNBOUND.as_secs());
            Self::log(Level::Warn, None, text, outputs);
        }
        if let Some(asked) = asked {
            let Some(session) = self.peers.get_mut(sid) else { return };
            if session.publishing.is_answering() {
                session.asked = Some(Asked { again_at: now + ASK_AGAIN, ..asked });
                return;
            }
            self.ask(sid, asked.tries.saturating_add(1), now, outputs);
        } else if paced {
            self.negotiate(sid, now, outputs);
        }
    }
}
