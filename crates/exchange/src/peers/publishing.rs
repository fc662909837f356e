//! What a client publishes: a track is announced by `AddTrack` and sent on a section of an offer.
//! Either may come first.

use super::{
    answering::{Awaiting, OFFERS_WITHIN},
    offering::media_of,
};
use crate::{Exchange, Output, port::Level};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use trunkline_call::media::peer::{PeerPlan, Side, TrackOrigin};
use trunkline_room::{
    ParticipantInfo, TrackInfo, TrackKind,
    signal::{About, AddTrack, Description, Outcome, Response},
};
use trunkline_sdp::webrtc::{Kind, Section};
use trunkline_types::{ParticipantSid, Time, TrackSid, limits};

/// Tracks of one client, announced and sent.
const MAX_TRACKS: usize = 32;
/// Layers and features of one track.
pub(super) const MAX_DETAILS: usize = 16;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Publishing {
    /// Announced, not sent yet; in order.
    pending: Vec<AddTrack>,
    /// Published.
    live: BTreeMap<TrackSid, Sending>,
    /// Sent, not announced yet.
    unmatched: Vec<Sending>,
    /// Track ids of the client that were published: what carries one is no new track.
    spent: BTreeSet<String>,
    /// The offers the media thread has to answer, in order.
    pub(super) offers: VecDeque<Awaiting>,
    /// Since when offers are counted, and how many there were.
    pub(super) rate: (Time, u32),
    /// An offer that came too soon.
    pub(super) deferred: Option<Description>,
}

/// A section the client sends on.
#[derive(Clone, Debug)]
struct Sending {
    mid: String,
    kind: TrackKind,
    cid: Option<String>,
    mime_type: String,
}

impl Publishing {
    /// The section a published track is sent on.
    pub(super) fn mid_of(&self, track: &TrackSid) -> Option<&str> {
        self.live.get(track).map(|s| s.mid.as_str())
    }

    /// Whether the client announced or publishes this track.
    pub(super) fn knows(&self, track: &TrackSid) -> bool {
        self.live.contains_key(track) || self.pending.iter().any(|p| p.track.sid == *track)
    }

    /// Whether an offer of the client waits for its answer.
    pub(super) fn is_answering(&self) -> bool {
        !self.offers.is_empty() || self.deferred.is_some()
    }

    /// When an offer that came too soon has its turn.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.deferred.as_ref().map(|_| self.rate.0 + OFFERS_WITHIN)
    }

    /// A track that is announced and not sent yet.
    pub(super) fn announced(&mut self, track: &TrackSid) -> Option<&mut TrackInfo> {
        self.pending.iter_mut().map(|p| &mut p.track).find(|t| t.sid == *track)
    }

    pub(super) fn live(&self) -> impl Iterator<Item = &TrackSid> {
        self.live.keys()
    }

    pub(super) fn forget(&mut self, track: &TrackSid) {
        self.live.remove(track);
    }

    /// Drops what is announced and may not be published any more.
    pub(super) fn drop_pending(&mut self, may: impl Fn(&TrackInfo) -> bool) {
        self.pending.retain(|p| may(&p.track));
    }

    /// The sections an answered offer sends on.
    fn sending(offer: &[Section], answer: &[Section]) -> Vec<Sending> {
        let sends = |s: &&Section| s.sends && s.kind != Kind::Other;
        offer
            .iter()
            .filter(sends)
            .filter_map(|section| {
                let answered = answer.iter().find(|a| a.mid == section.mid && a.receives)?;
                Some(Sending {
                    mid: section.mid.clone(),
                    kind: if section.kind == Kind::Audio { TrackKind::Audio } else { TrackKind::Video },
                    cid: section.track_id.clone(),
                    mime_type: answered.codecs.first().cloned().unwrap_or_default(),
                })
            })
            .collect()
    }

    /// The published tracks that an offer no longer sends.
    fn ended(&self, sending: &[Sending]) -> Vec<TrackSid> {
        let announced = |cid: &Option<String>| cid.as_ref().is_none_or(|c| self.pending.iter().any(|p| p.cid == *c));
        self.live
            .iter()
            .filter(|(_, held)| match sending.iter().find(|s| s.mid == held.mid) {
                // Another track id alone is a replaced source; with an announcement it is a new track.
                Some(now) => now.cid != held.cid && held.cid.is_some() && announced(&now.cid),
                None => true,
            })
            .map(|(track, _)| track.clone())
            .collect()
    }

    /// Takes the announced track that a section sends: by its id, else the oldest of its kind.
    fn take(&mut self, section: &Sending) -> Option<AddTrack> {
        let by_id =
            self.pending.iter().position(|p| section.cid.as_ref() == Some(&p.cid) && p.track.kind == section.kind);
        let is_new = section.cid.as_ref().is_none_or(|cid| !self.spent.contains(cid));
        let by_kind = || self.pending.iter().position(|p| p.track.kind == section.kind).filter(|_| is_new);
        by_id.or_else(by_kind).map(|at| self.pending.remove(at))
    }

    fn publish(&mut self, add: AddTrack, section: Sending) -> TrackInfo {
        let track = TrackInfo { mid: section.mid.clone(), mime_type: section.mime_type.clone(), ..add.track };
        if self.spent.len() >= 8 * MAX_TRACKS {
            self.spent.clear();
        }
        self.spent.extend(section.cid.clone());
        self.live.insert(track.sid.clone(), section);
        track
    }
}

impl Exchange {
    /// The client will publish a track.
    pub(super) fn add_track(&mut self, sid: &ParticipantSid, add: AddTrack, now: Time, outputs: &mut Vec<Output>) {
        let Some(session) = self.peers.get_mut(sid) else { return };
        if let Some(known) = session.publishing.pending.iter().find(|p| p.cid == add.cid) {
            let response = Response::TrackPublished { cid: known.cid.clone(), track: known.track.clone() };
            return self.say(sid, response, outputs);
        }
        let over = |text: &str| text.chars().count() > limits::NAME_CHARS;
        let refusal = if !session.permission.allows(add.track.source) {
            Some((Outcome::NotAllowed, "does not have permission to publish this track"))
        } else if session.publishing.pending.len() + session.publishing.live.len() >= MAX_TRACKS {
            Some((Outcome::LimitExceeded, "exceeds the number of tracks"))
        } else if add.cid.is_empty() || [&add.cid, &add.track.name, &add.track.stream].into_iter().any(|t| over(t)) {
            Some((Outcome::LimitExceeded, "exceeds track name or id length limit"))
        } else {
            None
        };
        if let Some((outcome, message)) = refusal {
            // Clients do not read this answer; they wait and give up. So it is worth a line.
            Self::log(Level::Warn, None, format!("a track was refused: {message}"), outputs);
            let (message, about) = (message.into(), About::AddTrack(add));
            return self.say(sid, Response::RequestResponse { request_id: 0, outcome, message, about }, outputs);
        }
        let mut add = add;
        let track = &mut add.track;
        track.sid = self.rooms.track_sid(track);
        track.mid.clear();
        track.mime_type.clear();
        track.layers.truncate(MAX_DETAILS);
        track.audio_features.truncate(MAX_DETAILS);
        let response = Response::TrackPublished { cid: add.cid.clone(), track: track.clone() };
        session.publishing.pending.push(add);
        self.say(sid, response, outputs);
        self.match_tracks(sid, now, outputs);
    }

    /// An offer of the client was answered: tracks begin and end with its sections.
    pub(super) fn reconcile(
        &mut self,
        sid: &ParticipantSid,
        offer: &[Section],
        answer: &[Section],
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let Some(session) = self.peers.get_mut(sid) else { return };
        let publishing = &mut session.publishing;
        let sending = Publishing::sending(offer, answer);
        let ended = publishing.ended(&sending);
        for track in &ended {
            publishing.forget(track);
        }
        let is_live = |s: &Sending| publishing.live.values().any(|held| held.mid == s.mid);
        publishing.unmatched = sending.into_iter().filter(|s| !is_live(s)).collect();
        let (name, identity) = (session.room_name.clone(), session.identity.clone());
        let mut events = Vec::new();
        for track in ended {
            self.rooms.unpublish(&name, &identity, &track, now, &mut events);
        }
        self.room_events(events, now, outputs);
        self.match_tracks(sid, now, outputs);
    }

    /// Publishes what is both announced and sent.
    fn match_tracks(&mut self, sid: &ParticipantSid, now: Time, outputs: &mut Vec<Output>) {
        let Some(session) = self.peers.get_mut(sid) else { return };
        let publishing = &mut session.publishing;
        let mut tracks = Vec::new();
        // Those that name their track come first, so that none of them is taken for another.
        let mut unmatched = std::mem::take(&mut publishing.unmatched);
        let named = |s: &Sending, p: &Publishing| p.pending.iter().any(|a| Some(&a.cid) == s.cid.as_ref());
        unmatched.sort_by_key(|s| !named(s, publishing));
        for section in unmatched {
            match publishing.take(&section) {
                Some(add) => tracks.push(publishing.publish(add, section)),
                None => publishing.unmatched.push(section),
            }
        }
        let (name, identity) = (session.room_name.clone(), session.identity.clone());
        let mut events = Vec::new();
        for track in tracks {
            if let Err(error) = self.rooms.publish_track(&name, &identity, track, now, &mut events) {
                Self::log(Level::Warn, None, format!("a track was not published: {error}"), outputs);
            }
        }
        self.room_events(events, now, outputs);
    }

    /// The client mutes a track of its own.
    pub(super) fn mute_own(
        &mut self,
        sid: &ParticipantSid,
        track: &TrackSid,
        muted: bool,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let Some(session) = self.peers.get_mut(sid) else { return };
        if let Some(pending) = session.publishing.pending.iter_mut().find(|p| p.track.sid == *track) {
            pending.track.muted = muted;
            return;
        }
        let (name, identity) = (session.room_name.clone(), session.identity.clone());
        let mut events = Vec::new();
        // A track that is gone needs no muting.
        _ = self.rooms.mute(&name, &identity, track, muted, &mut events);
        self.room_events(events, now, outputs);
    }

    /// A permission has changed: what may not be published any more is taken back.
    pub(super) fn revoke_tracks(&mut self, participant: &ParticipantInfo, now: Time, outputs: &mut Vec<Output>) {
        let Some(session) = self.peers.get_mut(&participant.sid) else { return };
        let permission = participant.permission;
        session.publishing.drop_pending(|t| permission.allows(t.source));
        let revoked: Vec<_> =
            participant.tracks.iter().filter(|t| !permission.allows(t.source)).map(|t| t.sid.clone()).collect();
        let (name, identity) = (session.room_name.clone(), session.identity.clone());
        for track in revoked {
            self.say(&participant.sid, Response::TrackUnpublished(track.clone()), outputs);
            let mut events = Vec::new();
            self.rooms.unpublish(&name, &identity, &track, now, &mut events);
            self.room_events(events, now, outputs);
        }
    }

    /// Where the media of somebody's track comes from; `None` if it has no media.
    pub(super) fn origin_of(&self, publisher: &ParticipantSid, track: &TrackInfo) -> Option<TrackOrigin> {
        if let Some(session) = self.peers.get(publisher) {
            let mid = session.publishing.mid_of(&track.sid)?.to_owned();
            return Some(TrackOrigin::Peer { peer: session.peer(Side::Publisher), mid, media: media_of(track.kind) });
        }
        if let Some(call) = self.calls.by_participant.get(publisher) {
            return self.calls.get(call).map(|entry| TrackOrigin::Leg(entry.call.facts().leg()));
        }
        self.builtins.is_builtin(publisher).then(|| TrackOrigin::Builtin(publisher.clone()))
    }

    pub(super) fn plan(plan: PeerPlan, outputs: &mut Vec<Output>) {
        outputs.push(Output::Media(trunkline_call::media::MediaPlan::Peer(plan)));
    }
}
