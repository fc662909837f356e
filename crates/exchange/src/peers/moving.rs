//! `MoveParticipant` for clients.
//!
//! A room's media lives on one thread and a connection on the thread of its first room, so a moved
//! client joins anew: it is told of its next room with a token for it, and then to reconnect, which
//! every client does with the token it was given last. Its place is kept meanwhile, with all that it
//! was and with what an API client makes of it in the meantime.

use super::{places::Found, session::Session};
use crate::{
    Exchange, Output,
    command::{ApiError, Code, Reply},
};
use trunkline_room::{
    Join, ParticipantInfo, RoomInfo, RoomSettings,
    signal::{Connect, Joined, LeaveAction, Response},
};
use trunkline_types::{DisconnectReason, Time};

impl Exchange {
    /// Sends a client to another room.
    ///
    /// # Errors
    /// It is no client, cannot be told now, or has a job in its room; the destination does not let it in.
    pub(crate) fn move_client(
        &mut self,
        room: &str,
        participant: ParticipantInfo,
        destination: &str,
        now: Time,
        outputs: &mut Vec<Output>,
    ) -> Result<Reply, ApiError> {
        let refused = |why: String| Err(ApiError::new(Code::FailedPrecondition, why));
        let (identity, sid) = (participant.identity.clone(), participant.sid.clone());
        let Some(session) = self.peers.get(&sid) else {
            return refused(format!("participant {identity:?} is neither a telephone nor a connected client"));
        };
        if session.connection.is_none() {
            return refused(format!("participant {identity:?} has lost its connection and may resume; try again then"));
        }
        if self.agents.job_of(&session.room, &identity).is_some() {
            let cure = "dispatch an agent to the destination_room instead";
            return refused(format!("participant {identity:?} is an agent with a job in its room; {cure}"));
        }
        let join = joining_again(participant, session);
        let mut events = Vec::new();
        // In first: what is refused leaves everything as it was.
        let joined = self.rooms.join(destination, join, &RoomSettings::default(), now, &mut events);
        self.room_events(events, now, outputs);
        let (there, participant) = joined?;
        self.peers.places.keep(participant.sid.clone(), destination, &participant.identity, now);
        let others = self.visible(destination, &participant.sid);
        let moved = Joined { room: there, participant, others, subscriber_primary: false };
        self.say(&sid, Response::Moved(Box::new(moved)), outputs);
        if self.peers.get(&sid).is_some_and(|session| session.room_name == room) {
            self.part(&sid, DisconnectReason::Migration, Some(LeaveAction::Reconnect), now, outputs);
        }
        Ok(Reply::Done)
    }

    /// The place that was kept for a client, if it comes with the token that was made for it.
    ///
    /// # Errors
    /// It was removed meanwhile, or its room was deleted.
    pub(super) fn take_kept_place(
        &mut self,
        connect: &Connect,
    ) -> Result<Option<(RoomInfo, ParticipantInfo)>, ApiError> {
        let Some(sid) = &connect.place else { return Ok(None) };
        match self.peers.places.take(sid) {
            Found::Kept => Ok(self.rooms.take_place(&connect.room, sid, &connect.join)),
            Found::Unknown => Ok(None),
            Found::Lost => {
                let message = "the participant was removed from the room while it was on its way there";
                Err(ApiError::new(Code::PermissionDenied, message))
            }
        }
    }

    /// Clients that have not come are given up.
    pub(super) fn places_due(&mut self, now: Time, outputs: &mut Vec<Output>) {
        while let Some((room, identity, lost)) = self.peers.places.due(now) {
            let mut events = Vec::new();
            // Whoever was removed has left.
            if !lost && self.rooms.leave(&room, &identity, DisconnectReason::JoinFailure, now, &mut events).is_ok() {
                self.room_events(events, now, outputs);
            }
        }
    }
}

fn joining_again(participant: ParticipantInfo, session: &Session) -> Join {
    Join {
        identity: participant.identity,
        name: participant.name,
        kind: participant.kind,
        metadata: participant.metadata,
        attributes: participant.attributes,
        permission: participant.permission,
        protocol: session.protocol,
        client_protocol: participant.client_protocol,
        capabilities: participant.capabilities,
    }
}
