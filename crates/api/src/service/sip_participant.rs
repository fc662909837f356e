//! `livekit.SIP`: calling out and moving callers on.

use super::{Context, checks::required};
use crate::{convert, grant::Grant, twirp::TwirpError};
use axum::response::Response;
use livekit_protocol as proto;
use trunkline_exchange::command::{Command, Reply};
use trunkline_routing::validate;
use trunkline_types::limits;

/// `CreateSIPParticipant`. While it waits, the call is not the request's: it goes on when the client
/// goes away, as LiveKit has it, unless the trunk's option `cancel_with_request` says otherwise.
pub(super) async fn create(context: &Context<'_>) -> Result<Response, TwirpError> {
    context.need(Grant::SipCall)?;
    let request: proto::CreateSipParticipantRequest = context.message()?;
    let krisp = request.krisp_enabled;
    let dial = convert::dial_request(request)?;
    required("room_name", &dial.room_name)?;
    dial.dial.check()?;
    validate::media(dial.media.as_ref())?;
    digits("dtmf", &dial.dtmf)?;
    if krisp {
        tracing::info!("krisp_enabled is accepted and ignored: there is no noise filter here");
    }
    match context.ask(Command::CreateSipParticipant(Box::new(dial))).await? {
        Reply::SipParticipant(info) => context.answer(&convert::sip_participant(&info)),
        _ => Err(TwirpError::unexpected_reply()),
    }
}

/// `TransferSIPParticipant`: demands the call grant and the room's administration.
pub(super) async fn transfer(context: &Context<'_>) -> Result<Response, TwirpError> {
    context.need(Grant::SipCall)?;
    let request: proto::TransferSipParticipantRequest = context.message()?;
    context.need(Grant::RoomAdmin(&request.room_name))?;
    required("room_name", &request.room_name)?;
    required("participant_identity", &request.participant_identity)?;
    required("transfer_to", &request.transfer_to)?;
    let transfer = convert::transfer_request(request)?;
    validate::headers("headers", &transfer.headers)?;
    match context.ask(Command::TransferSipParticipant(Box::new(transfer))).await? {
        Reply::Transfer(reply) => context.answer(&convert::transfer_reply(*reply)),
        _ => Err(TwirpError::unexpected_reply()),
    }
}

/// Digits as they are sent after the answer; `w` is a pause of half a second.
fn digits(field: &str, digits: &str) -> Result<(), TwirpError> {
    let known = |c: char| matches!(c, '0'..='9' | '*' | '#' | 'A'..='D' | 'a'..='d' | 'w' | 'W');
    if let Some(wrong) = digits.chars().find(|c| !known(*c)) {
        return Err(TwirpError::invalid(
            field,
            format_args!("holds {wrong:?}; digits are 0-9, *, #, A-D, and w waits"),
        ));
    }
    if digits.len() > limits::DTMF_DIGITS {
        return Err(TwirpError::invalid(field, format_args!("is longer than {} digits", limits::DTMF_DIGITS)));
    }
    Ok(())
}
