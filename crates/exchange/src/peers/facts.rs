//! What the media threads tell of peers.

use crate::{Exchange, Output, port::Level};
use trunkline_call::media::peer::{PeerFact, PeerKey, Side};
use trunkline_types::{ParticipantSid, Time};

impl Exchange {
    /// A media thread tells of a peer.
    pub(crate) fn peer_fact(&mut self, fact: PeerFact, now: Time, outputs: &mut Vec<Output>) {
        let concerned = match &fact {
            PeerFact::Answered { peer, .. }
            | PeerFact::Offered { peer, .. }
            | PeerFact::Failed { peer, .. }
            | PeerFact::Connected { peer }
            | PeerFact::Lost { peer }
            | PeerFact::Closed { peer }
            | PeerFact::Faulted { peer } => Some(peer.participant.clone()),
            PeerFact::DataOpen { participant, .. }
            | PeerFact::Data { participant, .. }
            | PeerFact::Stuck { participant } => Some(participant.clone()),
            PeerFact::Speaking { .. } | PeerFact::Received { .. } => None,
        };
        // Facts about somebody who has left meanwhile are late, not wrong.
        if concerned.as_ref().is_some_and(|sid| self.peers.get(sid).is_none()) {
            return;
        }
        self.guarded(concerned, now, outputs, |this, outputs| this.fact(fact, now, outputs));
    }

    fn fact(&mut self, fact: PeerFact, now: Time, outputs: &mut Vec<Output>) {
        match fact {
            PeerFact::Answered { peer, sdp, id } if peer.side == Side::Publisher => {
                self.answered(&peer.participant, &sdp, id, now, outputs);
            }
            PeerFact::Offered { peer, sdp, sections } if peer.side == Side::Subscriber => {
                self.offer_made(&peer.participant, &sdp, sections, now, outputs);
            }
            PeerFact::Answered { .. } | PeerFact::Offered { .. } => {}
            PeerFact::Failed { peer, why } => {
                let why = format!("a client's description cannot be worked with: {why}");
                self.mismatch(&peer.participant, &why, now, outputs);
            }
            PeerFact::Connected { peer } => self.media_up(&peer, now, outputs),
            PeerFact::Lost { peer } => self.media_lost(&peer.participant, now, outputs),
            PeerFact::Closed { peer } => self.media_closed(&peer.participant, now, outputs),
            PeerFact::DataOpen { participant, side, reliable } => {
                self.data_open(&participant, side, reliable, now, outputs);
            }
            PeerFact::Data { participant, reliable, payload } => {
                self.data_received(&participant, reliable, &payload, now, outputs);
            }
            PeerFact::Stuck { participant } => {
                self.mismatch(&participant, "a participant does not read its data", now, outputs);
            }
            PeerFact::Faulted { peer } => {
                Self::log(Level::Error, None, "a fault in the connection of a participant", outputs);
                self.mismatch(&peer.participant, "it has to join anew", now, outputs);
            }
            PeerFact::Received { room, tracks } => self.received(&room, &tracks, outputs),
            PeerFact::Speaking { room, levels } => self.speaking(&room, &levels, outputs),
        }
    }

    /// A connection is up, or up again.
    fn media_up(&mut self, peer: &PeerKey, now: Time, outputs: &mut Vec<Output>) {
        let sid: &ParticipantSid = &peer.participant;
        let Some(session) = self.peers.get_mut(sid) else { return };
        session.lost = None;
        if session.active || peer.side != session.primary() {
            return;
        }
        session.active = true;
        let (name, identity) = (session.room_name.clone(), session.identity.clone());
        let mut events = Vec::new();
        self.rooms.activate(&name, &identity, now, &mut events);
        self.room_events(events, now, outputs);
        self.refresh_wants(sid, now, outputs);
    }
}
