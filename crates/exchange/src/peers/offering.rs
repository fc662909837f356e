//! The subscriber connection of a client that has two (`/rtc`): we offer, one offer at a time.

use super::sections::Wanted;
use crate::{Exchange, Output, port::Level};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use trunkline_call::media::peer::{Offered, PeerMedia, PeerPlan, Side};
use trunkline_room::{
    TrackKind,
    signal::{Description, LeaveAction, Response, Transports},
};
use trunkline_sdp::webrtc::{over_tcp_alone, rewrite};
use trunkline_types::{DisconnectReason, ParticipantSid, Time, TrackSid};

/// For a client to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Tracks in an offer of ours.
const MAX_TRACKS: usize = 60;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Offering {
    /// This connection makes the participant ACTIVE.
    pub(super) is_primary: bool,
    /// The section of each track, as the client last agreed.
    bound: BTreeMap<TrackSid, String>,
    fed: BTreeSet<TrackSid>,
    stage: Stage,
    next_id: u32,
    /// The next offer brings new ICE credentials.
    restart: bool,
}

#[derive(Debug, Default)]
enum Stage {
    /// No offer was ever made.
    #[default]
    Unopened,
    Idle,
    /// The media thread makes an offer.
    Making {
        add: Vec<TrackSid>,
        remove: Vec<TrackSid>,
    },
    /// The client has it.
    Sent {
        description: Description,
        bound: BTreeMap<TrackSid, String>,
        until: Time,
    },
}

impl Offering {
    pub(super) fn is_bound(&self, track: &TrackSid) -> bool {
        self.bound.contains_key(track)
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        match self.stage {
            Stage::Sent { until, .. } => Some(until),
            _ => None,
        }
    }

    pub(super) fn forget(&mut self, track: &TrackSid) {
        self.fed.remove(track);
    }

    /// See [`super::sections::Sections::feed`].
    pub(super) fn feed(&mut self, wanted: &Wanted) -> Vec<(String, Option<TrackSid>)> {
        let mut changes = Vec::new();
        for (track, mid) in &self.bound {
            let due = wanted.get(track).is_some_and(|w| !w.disabled);
            if due && self.fed.insert(track.clone()) {
                changes.push((mid.clone(), Some(track.clone())));
            } else if !due && self.fed.remove(track) {
                changes.push((mid.clone(), None));
            }
        }
        self.fed.retain(|t| self.bound.contains_key(t));
        changes
    }

    /// What the next offer has to change; `None` if there is none to make now.
    fn begin(&mut self, wanted: &Wanted) -> Option<(Vec<TrackSid>, Vec<String>, bool)> {
        let first = match self.stage {
            Stage::Unopened => true,
            Stage::Idle => false,
            Stage::Making { .. } | Stage::Sent { .. } => return None,
        };
        let gone: Vec<_> = self.bound.keys().filter(|t| !wanted.contains_key(*t)).cloned().collect();
        let places = MAX_TRACKS.saturating_sub(self.bound.len() - gone.len());
        let add: Vec<_> = wanted.keys().filter(|t| !self.bound.contains_key(*t)).take(places).cloned().collect();
        if !first && !self.restart && add.is_empty() && gone.is_empty() {
            return None;
        }
        let mids = gone.iter().filter_map(|t| self.bound.get(t)).cloned().collect();
        self.stage = Stage::Making { add: add.clone(), remove: gone };
        Some((add, mids, std::mem::take(&mut self.restart)))
    }

    /// The section of each track once the offer that was made is agreed on.
    fn bound_then(&self, sections: Vec<(TrackSid, String)>) -> Option<BTreeMap<TrackSid, String>> {
        let Stage::Making { add, remove } = &self.stage else { return None };
        let mut bound = self.bound.clone();
        bound.retain(|track, _| !remove.contains(track));
        bound.extend(sections.into_iter().filter(|(track, _)| add.contains(track)));
        Some(bound)
    }

    /// The offer is made; what the client is told.
    fn made(&mut self, sdp: String, bound: BTreeMap<TrackSid, String>, now: Time) -> Option<Response> {
        self.next_id = self.next_id.wrapping_add(1).max(1);
        let description = Description { sdp, id: self.next_id };
        self.stage = Stage::Sent { description, bound, until: now + ANSWER_TIMEOUT };
        self.again(now)
    }

    /// The offer under way once more: the client may not have got it.
    fn again(&mut self, now: Time) -> Option<Response> {
        let Stage::Sent { description, bound, until } = &mut self.stage else { return None };
        *until = now + ANSWER_TIMEOUT;
        let tracks_by_mid = bound.iter().map(|(track, mid)| (mid.clone(), track.clone())).collect();
        Some(Response::Offer { description: description.clone(), tracks_by_mid })
    }

    /// The client has answered; whether it was this offer.
    fn answered(&mut self, id: u32) -> bool {
        let Stage::Sent { description, bound, .. } = &mut self.stage else { return false };
        if id != 0 && id != description.id {
            return false;
        }
        self.bound = std::mem::take(bound);
        self.stage = Stage::Idle;
        true
    }
}

impl Exchange {
    /// Makes an offer if there is something to offer and none is under way.
    pub(super) fn make_offer(&mut self, sid: &ParticipantSid, outputs: &mut Vec<Output>) {
        let Some(session) = self.peers.get_mut(sid) else { return };
        if session.transports != Transports::Dual {
            return;
        }
        let Some((add, remove, restart_ice)) = session.offering.begin(&session.wanted) else { return };
        let (peer, room, codec) = (session.peer(Side::Subscriber), session.room.clone(), session.codec);
        let tracks = self.peers.rooms.get(&room).map(|r| &r.tracks);
        let add = add
            .into_iter()
            .filter_map(|track| {
                let media = media_of(tracks?.get(&track)?.kind);
                Some(Offered { track, media })
            })
            .collect();
        Self::plan(PeerPlan::MakeOffer { peer, room, codec, add, remove, restart_ice }, outputs);
    }

    pub(super) fn offer_made(
        &mut self,
        sid: &ParticipantSid,
        sdp: &str,
        sections: Vec<(TrackSid, String)>,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let Some(session) = self.peers.get(sid) else { return };
        let Some(bound) = session.offering.bound_then(sections) else { return };
        let by_mid = bound.iter().map(|(track, mid)| (mid.clone(), track.clone())).collect();
        let sdp = rewrite(sdp, &self.assigned(&session.room, &by_mid), None);
        let Some(session) = self.peers.get_mut(sid) else { return };
        let sdp = if session.tcp_alone { over_tcp_alone(&sdp) } else { sdp };
        if let Some(response) = session.offering.made(sdp, bound, now) {
            self.say(sid, response, outputs);
        }
    }

    /// The client's answer to our offer.
    pub(super) fn client_answer(
        &mut self,
        sid: &ParticipantSid,
        answer: Description,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let Some(session) = self.peers.get_mut(sid) else { return };
        if session.transports != Transports::Dual || !session.offering.answered(answer.id) {
            return Self::log(Level::Info, None, "an answer to no offer is passed over", outputs);
        }
        if trunkline_sdp::webrtc::sections(&answer.sdp).is_err() {
            return self.mismatch(sid, "a client's answer is over a limit", now, outputs);
        }
        let peer = session.peer(Side::Subscriber);
        Self::plan(PeerPlan::Answer { peer, sdp: answer.sdp }, outputs);
        self.feed(sid, outputs);
        self.make_offer(sid, outputs);
    }

    /// The client resumes: it may have missed our offer, and needs one with new ICE credentials.
    pub(super) fn offer_again(&mut self, sid: &ParticipantSid, now: Time, outputs: &mut Vec<Output>) {
        let Some(session) = self.peers.get_mut(sid) else { return };
        session.offering.restart = true;
        if let Some(response) = session.offering.again(now) {
            self.say(sid, response, outputs);
        }
        self.make_offer(sid, outputs);
    }

    /// The client has not answered in time.
    pub(super) fn answer_overdue(&mut self, sid: &ParticipantSid, now: Time, outputs: &mut Vec<Output>) {
        let Some(session) = self.peers.get_mut(sid) else { return };
        if session.connection.is_none() {
            // It cannot answer; when it resumes it gets the offer again.
            _ = session.offering.again(now);
            return;
        }
        Self::log(Level::Warn, None, "a client does not answer our offer", outputs);
        self.part(sid, DisconnectReason::StateMismatch, Some(LeaveAction::Reconnect), now, outputs);
    }
}

pub(super) const fn media_of(kind: TrackKind) -> PeerMedia {
    match kind {
        TrackKind::Audio => PeerMedia::Audio,
        TrackKind::Video => PeerMedia::Video,
    }
}
