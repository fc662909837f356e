//! The client offers, the media thread answers, and the answer names the tracks it carries.

use crate::{Exchange, Output, port::Level};
use std::{collections::BTreeMap, time::Duration};
use trunkline_call::media::peer::{PeerPlan, Side};
use trunkline_room::signal::{Description, Response, Transports};
use trunkline_sdp::webrtc::{Assigned, Section, over_tcp_alone, rewrite, sections};
use trunkline_types::{ParticipantSid, RoomSid, Time, TrackSid};

/// How many offers of one client are answered within [`OFFERS_WITHIN`].
const MAX_OFFERS: u32 = 20;
/// See [`MAX_OFFERS`].
pub(super) const OFFERS_WITHIN: Duration = Duration::from_secs(2);
/// Samples per second of the best a phone can hear.
const PHONE_RATE: u32 = 16_000;
/// Offers of one client that wait for their answer.
const OFFERS_WAITING: usize = 16;

/// An offer of the client that the media thread is about to answer.
#[derive(Debug)]
pub(super) struct Awaiting {
    id: u32,
    pub(super) sections: Vec<Section>,
    /// The sections that get a new SSRC with it.
    renewed: Vec<String>,
}

impl Exchange {
    /// The client offers, for its only connection or for the one it publishes on.
    pub(super) fn client_offer(
        &mut self,
        sid: &ParticipantSid,
        offer: Description,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let Some(session) = self.peers.get_mut(sid) else { return };
        let publishing = &mut session.publishing;
        if now.since(publishing.rate.0) >= OFFERS_WITHIN {
            publishing.rate = (now, 0);
        }
        publishing.deferred = None;
        if publishing.rate.1 >= MAX_OFFERS {
            // A client whose offer is never answered is stuck, so the last one is kept for later.
            publishing.deferred = Some(offer);
            return Self::log(Level::Warn, None, "a client offers too often; its offer waits", outputs);
        }
        publishing.rate.1 += 1;
        if publishing.offers.len() >= OFFERS_WAITING {
            return Self::log(Level::Warn, None, "too many offers wait for their answer; one is passed over", outputs);
        }
        match sections(&offer.sdp) {
            Ok(sections) => {
                let renewed = session.sections.worn();
                publishing.offers.push_back(Awaiting { id: offer.id, sections, renewed });
            }
            Err(_) => return self.mismatch(sid, "a client's offer is malformed or over a limit", now, outputs),
        }
        let renew = session.sections.worn();
        let (peer, room, codec) = (session.peer(Side::Publisher), session.room.clone(), session.codec);
        Self::plan(PeerPlan::Offer { peer, room, codec, sdp: offer.sdp, id: offer.id, renew }, outputs);
    }

    /// How the tracks of sections are named in descriptions.
    pub(super) fn assigned(&self, room: &RoomSid, by_mid: &BTreeMap<String, TrackSid>) -> BTreeMap<String, Assigned> {
        let tracks = self.peers.rooms.get(room).map(|r| &r.tracks);
        by_mid
            .iter()
            .filter_map(|(mid, track)| {
                let publisher = &tracks?.get(track)?.publisher;
                Some((mid.clone(), Assigned { stream: format!("{publisher}|{track}"), track: track.to_string() }))
            })
            .collect()
    }

    /// Whether phones are in the room, and no other client than this one.
    fn only_phones_hear(&self, sid: &ParticipantSid, room: &RoomSid) -> bool {
        !self.calls.of_room(room).is_empty() && self.peers.members(room).iter().all(|member| member == sid)
    }

    /// An offer that came too soon has its turn.
    pub(super) fn deferred_offer(&mut self, sid: &ParticipantSid, now: Time, outputs: &mut Vec<Output>) {
        let Some(session) = self.peers.get_mut(sid) else { return };
        if let Some(offer) = session.publishing.deferred.take() {
            self.client_offer(sid, offer, now, outputs);
        }
    }

    /// The media thread has answered.
    pub(super) fn answered(&mut self, sid: &ParticipantSid, sdp: &str, id: u32, now: Time, outputs: &mut Vec<Output>) {
        let Some(session) = self.peers.get_mut(sid) else { return };
        let offer = loop {
            match session.publishing.offers.pop_front() {
                Some(offer) if offer.id == id => break offer,
                Some(_) => {}
                None => return,
            }
        };
        let Ok(answer) = sections(sdp) else {
            return self.mismatch(sid, "an answer of ours cannot be read", now, outputs);
        };
        self.reconcile(sid, &offer.sections, &answer, now, outputs);
        let Some(session) = self.peers.get_mut(sid) else { return };
        let mut grown = 0;
        if session.transports == Transports::Single {
            grown = session.sections.offered(&offer.sections, &answer, &offer.renewed);
            session.sections.assign(&session.wanted);
        }
        let tracks_by_mid = session.sections.tracks_by_mid();
        let (room, tcp_alone) = (session.room.clone(), session.tcp_alone);
        let assigned = self.assigned(&room, &tracks_by_mid);
        let rate = self.only_phones_hear(sid, &room).then_some(PHONE_RATE);
        let sdp = rewrite(sdp, &assigned, rate);
        let description = Description { sdp: if tcp_alone { over_tcp_alone(&sdp) } else { sdp }, id };
        self.say(sid, Response::Answer { description, tracks_by_mid }, outputs);
        self.feed(sid, outputs);
        self.ask_after_answer(sid, grown, now, outputs);
    }
}
