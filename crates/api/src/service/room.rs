//! `livekit.RoomService`.

use super::{Context, checks::required, stub::unimplemented};
use crate::{convert, grant::Grant, twirp::TwirpError};
use axum::response::Response;
use livekit_protocol::{self as proto, data_packet};
use prost::Message;
use trunkline_exchange::command::{Command, Reply};
use trunkline_types::ParticipantSid;

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
        "MutePublishedTrack" => mute_published_track(context).await,
        "UpdateSubscriptions" => update_subscriptions(context).await,
        "SendData" => send_data(context).await,
        "PerformRpc" => perform_rpc(context).await,
        "MoveParticipant" => move_participant(context).await,
        "ForwardParticipant" => forward_participant(context, method),
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

async fn mute_published_track(context: &Context<'_>) -> Result<Response, TwirpError> {
    let proto::MuteRoomTrackRequest { room, identity, track_sid, muted } = context.message()?;
    context.need(Grant::RoomAdmin(&room))?;
    let command = Command::MutePublishedTrack { room, identity, track: track_sid.into(), muted };
    match context.ask(command).await? {
        Reply::Track(track) => context.answer(&proto::MuteRoomTrackResponse { track: Some(convert::track(&track)) }),
        _ => Err(TwirpError::unexpected_reply()),
    }
}

async fn update_subscriptions(context: &Context<'_>) -> Result<Response, TwirpError> {
    let request: proto::UpdateSubscriptionsRequest = context.message()?;
    context.need(Grant::RoomAdmin(&request.room))?;
    let tracks = convert::all_tracks(request.track_sids, request.participant_tracks);
    let (room, identity, subscribe) = (request.room, request.identity, request.subscribe);
    context.ask(Command::UpdateSubscriptions { room, identity, tracks, subscribe }).await?;
    context.answer(&proto::UpdateSubscriptionsResponse {})
}

#[expect(deprecated, reason = "destination_sids is deprecated and still used")]
async fn send_data(context: &Context<'_>) -> Result<Response, TwirpError> {
    let request: proto::SendDataRequest = context.message()?;
    context.need(Grant::RoomAdmin(&request.room))?;
    let reliable = match data_packet::Kind::try_from(request.kind) {
        Ok(kind) => kind == data_packet::Kind::Reliable,
        Err(_) => {
            let text = format_args!("is {}, which is no DataPacket.Kind", request.kind);
            return Err(TwirpError::invalid("kind", text));
        }
    };
    let user =
        proto::UserPacket { payload: request.data, topic: request.topic, nonce: request.nonce, ..Default::default() };
    let packet = proto::DataPacket { value: Some(data_packet::Value::User(user)), ..Default::default() };
    let command = Command::SendData {
        room: request.room,
        reliable,
        packet: packet.encode_to_vec().into(),
        destinations: request.destination_identities,
        destination_sids: request.destination_sids.into_iter().map(ParticipantSid::from).collect(),
    };
    context.ask(command).await?;
    context.answer(&proto::SendDataResponse {})
}

async fn perform_rpc(context: &Context<'_>) -> Result<Response, TwirpError> {
    let request: proto::PerformRpcRequest = context.message()?;
    context.need(Grant::RoomAdmin(&request.room))?;
    let command = Command::PerformRpc {
        room: request.room,
        identity: request.destination_identity,
        method: request.method,
        payload: request.payload,
        response_timeout_ms: request.response_timeout_ms,
    };
    match context.ask(command).await? {
        Reply::Rpc(payload) => context.answer(&proto::PerformRpcResponse { payload }),
        _ => Err(TwirpError::unexpected_reply()),
    }
}

async fn move_participant(context: &Context<'_>) -> Result<Response, TwirpError> {
    let proto::MoveParticipantRequest { room, identity, destination_room: destination } = context.message()?;
    context.need(Grant::RoomMove { from: &room, to: &destination })?;
    required("room", &room)?;
    required("identity", &identity)?;
    required("destination_room", &destination)?;
    context.ask(Command::MoveParticipant { room, identity, destination }).await?;
    context.answer(&proto::MoveParticipantResponse {})
}

/// Forwarding is refused after the grants were checked.
fn forward_participant(context: &Context<'_>, method: &str) -> Result<Response, TwirpError> {
    let request: proto::ForwardParticipantRequest = context.message()?;
    unimplemented(context, Grant::RoomMove { from: &request.room, to: &request.destination_room }, method)
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
