//! `MoveParticipant`: a telephone changes its room and stays the same participant; a client is sent
//! to where its place is kept.

use crate::{
    Exchange, Output,
    command::{ApiError, Code, Reply},
};
use trunkline_call::{Event, RoomEvent};
use trunkline_room::{Join, Kind, RoomSettings};
use trunkline_types::{DisconnectReason, Time};

impl Exchange {
    pub(crate) fn move_participant(
        &mut self,
        room: &str,
        identity: &str,
        destination: &str,
        now: Time,
        outputs: &mut Vec<Output>,
    ) -> Result<Reply, ApiError> {
        if destination.is_empty() || room == destination {
            let message = "destination_room has to name another room";
            return Err(ApiError::new(Code::InvalidArgument, message));
        }
        let participant = self.rooms.participant(room, identity)?;
        let Some(call) = self.calls.by_participant.get(&participant.sid).cloned() else {
            return self.move_client(room, participant, destination, now, outputs);
        };
        if !self.calls.get(&call).is_some_and(|entry| entry.call.is_active()) {
            let message = format!("the call of participant {identity:?} is not answered");
            return Err(ApiError::new(Code::FailedPrecondition, message));
        }
        let from = self.rooms.sid(room).unwrap_or_default();
        let join = Join {
            identity: identity.to_owned(),
            name: participant.name,
            kind: Kind::Sip,
            metadata: participant.metadata,
            attributes: participant.attributes,
            permission: participant.permission,
            ..Join::default()
        };
        let mut events = Vec::new();
        // In first: what is refused leaves everything as it was.
        let (info, inside) = self.rooms.join(destination, join, &RoomSettings::default(), now, &mut events)?;
        let identity_there = inside.identity.clone();
        self.rooms.activate(destination, &identity_there, now, &mut events);
        // The call is not taken out of its room: it is in the next one before it has left this.
        self.calls.left_room(&call);
        self.calls.forget_room(&call, &from);
        self.calls.enter(&call, info.sid.clone(), inside.sid.clone(), destination.to_owned(), identity_there.clone());
        self.rooms.leave(room, identity, DisconnectReason::Migration, now, &mut events)?;
        self.room_events(events, now, outputs);
        let (room, room_name) = (info.sid.clone(), destination.to_owned());
        let moved = RoomEvent::Moved { from, room, room_name, identity: identity_there };
        self.events.push_back((call.clone(), Event::Room(moved)));
        self.look_round(&call, &info, &inside.sid, outputs);
        Ok(Reply::Done)
    }
}
