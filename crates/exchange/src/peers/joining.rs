//! A client opens a signalling connection and becomes a participant.

use super::session::Session;
use crate::{
    Exchange, Output,
    command::{ApiError, Code, Reply, RequestId},
    exchange::Drain,
    port::ConnectionId,
};
use trunkline_room::{
    ParticipantInfo,
    signal::{Connect, Joined, Response, Transports},
};
use trunkline_types::{ParticipantSid, Time};

impl Exchange {
    /// A client opens a signalling connection.
    pub(crate) fn connect(
        &mut self,
        request: RequestId,
        connection: ConnectionId,
        connect: Connect,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        if self.drain == Drain::Done {
            let message = "the server is stopping";
            return outputs.push(Output::Reply(request, Err(ApiError::new(Code::Unavailable, message))));
        }
        if let Some(sid) = connect.resume.clone() {
            outputs.push(Output::Reply(request, Ok(Reply::Done)));
            return self.guarded(Some(sid.clone()), now, outputs, |this, outputs| {
                this.resume(connection, &sid, connect, now, outputs);
            });
        }
        match self.join(connection, &connect, now, outputs) {
            Ok((sid, joined)) => {
                outputs.push(Output::Reply(request, Ok(Reply::Done)));
                self.guarded(Some(sid.clone()), now, outputs, |this, outputs| {
                    this.welcome(&sid, joined, connect, now, outputs);
                });
            }
            Err(error) => outputs.push(Output::Reply(request, Err(error))),
        }
    }

    fn join(
        &mut self,
        connection: ConnectionId,
        connect: &Connect,
        now: Time,
        outputs: &mut Vec<Output>,
    ) -> Result<(ParticipantSid, Box<Joined>), ApiError> {
        let mut events = Vec::new();
        let joined = match self.take_kept_place(connect)? {
            Some(there) => Ok(there),
            None => self.rooms.join(&connect.room, connect.join.clone(), &connect.settings, now, &mut events),
        };
        // Whoever is replaced leaves before the newcomer is there.
        self.room_events(events, now, outputs);
        let (_, participant) = joined?;
        let room = self.rooms.room(&connect.room).ok_or(trunkline_room::Error::NoSuchRoom)?;
        let mut session = Session::new(connection, connect, room.sid.clone(), &participant, now);
        session.codec = room.voice_codec;
        session.tcp_alone = self.peers.tcp_alone.holds(&connect.room, &participant.identity, now);
        session.offering.is_primary = participant.permission.can_subscribe;
        let others = self.visible(&connect.room, &participant.sid);
        let subscriber_primary = session.subscriber_primary();
        self.peers.insert(session);
        let sid = participant.sid.clone();
        Ok((sid, Box::new(Joined { room, participant, others, subscriber_primary })))
    }

    /// Everybody but one whom a client may see.
    pub(super) fn visible(&self, room: &str, but: &ParticipantSid) -> Vec<ParticipantInfo> {
        let all = self.rooms.participants(room);
        all.into_iter().filter(|p| p.sid != *but && !p.permission.hidden).collect()
    }

    /// Everybody a resuming client must know of: whoever is missing is gone for it.
    pub(super) fn everybody(&self, room: &str, own: &ParticipantSid) -> Vec<ParticipantInfo> {
        let all = self.rooms.participants(room);
        all.into_iter().filter(|p| p.sid == *own || !p.permission.hidden).collect()
    }

    /// The newcomer is told of the room, the room of the newcomer; then what came along is handled.
    fn welcome(
        &mut self,
        sid: &ParticipantSid,
        joined: Box<Joined>,
        connect: Connect,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let (room, participant) = (joined.room.clone(), joined.participant.clone());
        self.say(sid, Response::Join(joined), outputs);
        self.say(sid, Response::RefreshToken(Box::new(participant.clone())), outputs);
        self.show(&room.sid, &participant, Some(sid), outputs);
        self.show_room(&room, Some(sid), outputs);
        for add in connect.add_tracks {
            self.add_track(sid, add, now, outputs);
        }
        self.refresh_wants(sid, now, outputs);
        if connect.transports == Transports::Dual {
            // Without an offer the client's primary connection would never come up.
            self.make_offer(sid, outputs);
        }
        if let Some(offer) = connect.offer {
            self.client_offer(sid, offer, now, outputs);
        }
    }
}
