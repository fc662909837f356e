//! `livekit.RoomService`.

use super::{Context, stub::unimplemented};
use crate::{convert, grant::Grant, twirp::TwirpError};
use axum::response::Response;
use livekit_protocol as proto;
use trunkline_exchange::command::{Command, Reply};

/// A request to `livekit.RoomService`; `None` if there is no such method.
pub(crate) async fn call(context: &Context<'_>, method: &str) -> Option<Result<Response, TwirpError>> {
    Some(match method {
        "CreateRoom" => create(context).await,
        "ListRooms" => list(context).await,
        "DeleteRoom" => delete(context).await,
        "UpdateRoomMetadata" => update_metadata(context).await,
        "ListParticipants" => list_participants(context).await,
        "GetParticipant" => get_participant(context).await,
        "RemoveParticipant" => remove_participant(context).await,
        "UpdateParticipant" => update_participant(context).await,
        "MutePublishedTrack"
        | "UpdateSubscriptions"
        | "SendData"
        | "ForwardParticipant"
        | "MoveParticipant"
        | "PerformRpc" => not_yet(context, method),
        _ => return None,
    })
}

async fn create(context: &Context<'_>) -> Result<Response, TwirpError> {
    context.need(Grant::RoomCreate)?;
    let (name, settings) = convert::room_settings(context.message()?);
    room(context, Command::CreateRoom(name, settings)).await
}

async fn list(context: &Context<'_>) -> Result<Response, TwirpError> {
    context.need(Grant::RoomList)?;
    let request: proto::ListRoomsRequest = context.message()?;
    match context.ask(Command::ListRooms(request.names)).await? {
        Reply::Rooms(rooms) => {
            context.answer(&proto::ListRoomsResponse { rooms: rooms.iter().map(convert::room).collect() })
        }
        _ => Err(TwirpError::unexpected_reply()),
    }
}

async fn delete(context: &Context<'_>) -> Result<Response, TwirpError> {
    context.need(Grant::RoomCreate)?;
    let request: proto::DeleteRoomRequest = context.message()?;
    context.ask(Command::DeleteRoom(request.room)).await?;
    context.answer(&proto::DeleteRoomResponse {})
}

async fn update_metadata(context: &Context<'_>) -> Result<Response, TwirpError> {
    let request: proto::UpdateRoomMetadataRequest = context.message()?;
    context.need(Grant::RoomAdmin(&request.room))?;
    room(context, Command::UpdateRoomMetadata { room: request.room, metadata: request.metadata }).await
}

async fn list_participants(context: &Context<'_>) -> Result<Response, TwirpError> {
    let request: proto::ListParticipantsRequest = context.message()?;
    context.need(Grant::RoomAdmin(&request.room))?;
    match context.ask(Command::ListParticipants(request.room)).await? {
        Reply::Participants(all) => {
            let participants = all.iter().map(convert::participant).collect();
            context.answer(&proto::ListParticipantsResponse { participants })
        }
        _ => Err(TwirpError::unexpected_reply()),
    }
}

async fn get_participant(context: &Context<'_>) -> Result<Response, TwirpError> {
    let proto::RoomParticipantIdentity { room, identity, .. } = context.message()?;
    context.need(Grant::RoomAdmin(&room))?;
    participant(context, Command::GetParticipant { room, identity }).await
}

async fn remove_participant(context: &Context<'_>) -> Result<Response, TwirpError> {
    let proto::RoomParticipantIdentity { room, identity, .. } = context.message()?;
    context.need(Grant::RoomAdmin(&room))?;
    context.ask(Command::RemoveParticipant { room, identity }).await?;
    context.answer(&proto::RemoveParticipantResponse {})
}

async fn update_participant(context: &Context<'_>) -> Result<Response, TwirpError> {
    let request: proto::UpdateParticipantRequest = context.message()?;
    context.need(Grant::RoomAdmin(&request.room))?;
    let (room, identity) = (request.room.clone(), request.identity.clone());
    let patch = convert::participant_patch(request);
    participant(context, Command::UpdateParticipant { room, identity, patch }).await
}

/// Methods that come with WebRTC participants: refused after the room's grant was checked.
fn not_yet(context: &Context<'_>, method: &str) -> Result<Response, TwirpError> {
    let room = match method {
        "MutePublishedTrack" => context.message::<proto::MuteRoomTrackRequest>()?.room,
        "UpdateSubscriptions" => context.message::<proto::UpdateSubscriptionsRequest>()?.room,
        "SendData" => context.message::<proto::SendDataRequest>()?.room,
        "ForwardParticipant" => context.message::<proto::ForwardParticipantRequest>()?.room,
        "MoveParticipant" => context.message::<proto::MoveParticipantRequest>()?.room,
        _ => context.message::<proto::PerformRpcRequest>()?.room,
    };
    unimplemented(context, Grant::RoomAdmin(&room), method)
}

async fn room(context: &Context<'_>, command: Command) -> Result<Response, TwirpError> {
    match context.ask(command).await? {
        Reply::Room(room) => context.answer(&convert::room(&room)),
        _ => Err(TwirpError::unexpected_reply()),
    }
}

async fn participant(context: &Context<'_>, command: Command) -> Result<Response, TwirpError> {
    match context.ask(command).await? {
        Reply::Participant(participant) => context.answer(&convert::participant(&participant)),
        _ => Err(TwirpError::unexpected_reply()),
    }
}
