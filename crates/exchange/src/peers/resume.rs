//! A client whose signalling was cut goes on with its session.

use super::{leaving::GRACE, session::Cut};
use crate::{Exchange, Output, port::ConnectionId};
use trunkline_room::signal::{Connect, LeaveAction, Response, SyncState, Transports};
use trunkline_types::{DisconnectReason, ParticipantSid, Time};

impl Exchange {
    pub(super) fn resume(
        &mut self,
        connection: ConnectionId,
        sid: &ParticipantSid,
        connect: Connect,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let session = self.peers.get_mut(sid).filter(|s| {
            let same = (&s.room_name, &s.identity) == (&connect.room, &connect.join.identity);
            same && s.transports == connect.transports
        });
        let Some(session) = session else {
            let (reason, action) = (DisconnectReason::StateMismatch, LeaveAction::Reconnect);
            outputs.push(Output::Signal(connection, Box::new(Response::Leave { reason, action })));
            return outputs.push(Output::HangUp(connection));
        };
        let cut = std::mem::take(&mut session.cut_on_resume);
        let last_message_seq = session.data.last_sequence;
        let (name, transports) = (session.room_name.clone(), session.transports);
        session.asked = None;
        // Media that was lost has this long to come back by the client's new offer.
        session.lost = session.lost.map(|_| now + 3 * GRACE);
        let published: Vec<_> = session.publishing.live().cloned().collect();
        session.knows_quality = false;
        let before = self.peers.connect(sid, (cut != Some(Cut::Silently)).then_some(connection));
        if let Some(before) = before {
            outputs.push(Output::HangUp(before));
        }
        if cut == Some(Cut::Silently) {
            return outputs.push(Output::HangUp(connection));
        }
        self.say(sid, Response::Reconnect { last_message_seq }, outputs);
        self.say(sid, Response::Update(self.everybody(&name, sid)), outputs);
        if let Some(room) = self.rooms.room(&name) {
            self.say(sid, Response::RoomUpdate(room), outputs);
        }
        if let Ok(participant) = self.rooms.participant(&name, &connect.join.identity) {
            self.say(sid, Response::RefreshToken(Box::new(participant)), outputs);
        }
        self.repeat_permissions(sid, outputs);
        for track in published {
            self.repeat_heard(sid, &track, outputs);
        }
        for add in connect.add_tracks {
            self.add_track(sid, add, now, outputs);
        }
        if let Some(sync) = connect.sync {
            self.sync_state(sid, &sync, now, outputs);
        }
        if transports == Transports::Dual {
            self.offer_again(sid, now, outputs);
        }
        if let Some(offer) = connect.offer {
            self.client_offer(sid, offer, now, outputs);
        }
        self.negotiate(sid, now, outputs);
        if cut == Some(Cut::AfterWords)
            && let Some(connection) = self.peers.connect(sid, None)
        {
            if let Some(session) = self.peers.get_mut(sid) {
                session.cut = Some(now);
            }
            outputs.push(Output::HangUp(connection));
        }
    }

    /// The client may have missed that its track is heard.
    fn repeat_heard(&self, sid: &ParticipantSid, track: &trunkline_types::TrackSid, outputs: &mut Vec<Output>) {
        let room = self.peers.get(sid).and_then(|s| self.peers.rooms.get(&s.room));
        if room.and_then(|r| r.tracks.get(track)).is_some_and(|t| t.heard) {
            self.say(sid, Response::TrackSubscribed(track.clone()), outputs);
        }
    }

    /// What a resuming client holds: tracks we do not know mean that it has to join anew; packets
    /// it has missed are sent again.
    pub(super) fn sync_state(&mut self, sid: &ParticipantSid, sync: &SyncState, now: Time, outputs: &mut Vec<Output>) {
        let Some(session) = self.peers.get_mut(sid) else { return };
        if sync.published.iter().any(|track| !session.publishing.knows(track)) {
            return self.mismatch(sid, "a resuming client publishes tracks that are not known", now, outputs);
        }
        for (track, want) in &mut session.wanted {
            want.disabled = sync.disabled.contains(track);
        }
        self.feed(sid, outputs);
        self.send_missed(sid, &sync.received, now, outputs);
        if let Some(session) = self.peers.get_mut(sid) {
            session.cut = None;
        }
    }
}
