//! The trunk methods of `livekit.SIP`.

use super::{
    Context,
    checks::{no_action, own_id, required},
};
use crate::{
    convert::{
        inbound_trunk, inbound_trunk_from, inbound_trunk_patch, legacy_inbound, legacy_outbound, list_filter,
        outbound_trunk, outbound_trunk_from, outbound_trunk_patch,
    },
    twirp::TwirpError,
};
use axum::response::Response;
use livekit_protocol::{
    self as proto, update_sip_inbound_trunk_request::Action as InboundAction,
    update_sip_outbound_trunk_request::Action as OutboundAction,
};
use trunkline_exchange::command::{Command, Reply};
use trunkline_routing::{
    patch::{ListFilter, Update},
    record::{InboundTrunk, OutboundTrunk},
};

async fn inbound(context: &Context<'_>, command: Command) -> Result<Box<InboundTrunk>, TwirpError> {
    match context.ask(command).await? {
        Reply::InboundTrunk(trunk) => Ok(trunk),
        _ => Err(TwirpError::unexpected_reply()),
    }
}

async fn outbound(context: &Context<'_>, command: Command) -> Result<Box<OutboundTrunk>, TwirpError> {
    match context.ask(command).await? {
        Reply::OutboundTrunk(trunk) => Ok(trunk),
        _ => Err(TwirpError::unexpected_reply()),
    }
}

async fn inbounds(context: &Context<'_>, filter: ListFilter) -> Result<Vec<InboundTrunk>, TwirpError> {
    match context.ask(Command::ListInboundTrunks(filter)).await? {
        Reply::InboundTrunks(trunks) => Ok(trunks),
        _ => Err(TwirpError::unexpected_reply()),
    }
}

async fn outbounds(context: &Context<'_>, filter: ListFilter) -> Result<Vec<OutboundTrunk>, TwirpError> {
    match context.ask(Command::ListOutboundTrunks(filter)).await? {
        Reply::OutboundTrunks(trunks) => Ok(trunks),
        _ => Err(TwirpError::unexpected_reply()),
    }
}

pub(super) async fn create_inbound(context: &Context<'_>) -> Result<Response, TwirpError> {
    let request: proto::CreateSipInboundTrunkRequest = context.message()?;
    let info = request.trunk.ok_or_else(|| TwirpError::invalid("trunk", "is required"))?;
    own_id("trunk.sip_trunk_id", &info.sip_trunk_id, "")?;
    let trunk = inbound_trunk_from(info)?;
    let trunk = inbound(context, Command::CreateInboundTrunk(Box::new(trunk))).await?;
    context.answer(&inbound_trunk(&trunk))
}

pub(super) async fn create_outbound(context: &Context<'_>) -> Result<Response, TwirpError> {
    let request: proto::CreateSipOutboundTrunkRequest = context.message()?;
    let info = request.trunk.ok_or_else(|| TwirpError::invalid("trunk", "is required"))?;
    own_id("trunk.sip_trunk_id", &info.sip_trunk_id, "")?;
    let trunk = outbound_trunk_from(info)?;
    let trunk = outbound(context, Command::CreateOutboundTrunk(Box::new(trunk))).await?;
    context.answer(&outbound_trunk(&trunk))
}

pub(super) async fn update_inbound(context: &Context<'_>) -> Result<Response, TwirpError> {
    let request: proto::UpdateSipInboundTrunkRequest = context.message()?;
    let id = request.sip_trunk_id;
    required("sip_trunk_id", &id)?;
    let update = match request.action {
        None => return Err(no_action()),
        Some(InboundAction::Replace(info)) => {
            own_id("replace.sip_trunk_id", &info.sip_trunk_id, &id)?;
            Update::Replace(Box::new(inbound_trunk_from(info)?))
        }
        Some(InboundAction::Update(update)) => Update::Patch(Box::new(inbound_trunk_patch(update)?)),
    };
    let trunk = inbound(context, Command::UpdateInboundTrunk(id.into(), update)).await?;
    context.answer(&inbound_trunk(&trunk))
}

pub(super) async fn update_outbound(context: &Context<'_>) -> Result<Response, TwirpError> {
    let request: proto::UpdateSipOutboundTrunkRequest = context.message()?;
    let id = request.sip_trunk_id;
    required("sip_trunk_id", &id)?;
    let update = match request.action {
        None => return Err(no_action()),
        Some(OutboundAction::Replace(info)) => {
            own_id("replace.sip_trunk_id", &info.sip_trunk_id, &id)?;
            Update::Replace(Box::new(outbound_trunk_from(info)?))
        }
        Some(OutboundAction::Update(update)) => Update::Patch(Box::new(outbound_trunk_patch(update)?)),
    };
    let trunk = outbound(context, Command::UpdateOutboundTrunk(id.into(), update)).await?;
    context.answer(&outbound_trunk(&trunk))
}

pub(super) async fn get_inbound(context: &Context<'_>) -> Result<Response, TwirpError> {
    let request: proto::GetSipInboundTrunkRequest = context.message()?;
    required("sip_trunk_id", &request.sip_trunk_id)?;
    let trunk = inbound(context, Command::GetInboundTrunk(request.sip_trunk_id.into())).await?;
    context.answer(&proto::GetSipInboundTrunkResponse { trunk: Some(inbound_trunk(&trunk)) })
}

pub(super) async fn get_outbound(context: &Context<'_>) -> Result<Response, TwirpError> {
    let request: proto::GetSipOutboundTrunkRequest = context.message()?;
    required("sip_trunk_id", &request.sip_trunk_id)?;
    let trunk = outbound(context, Command::GetOutboundTrunk(request.sip_trunk_id.into())).await?;
    context.answer(&proto::GetSipOutboundTrunkResponse { trunk: Some(outbound_trunk(&trunk)) })
}

pub(super) async fn list_inbound(context: &Context<'_>) -> Result<Response, TwirpError> {
    let request: proto::ListSipInboundTrunkRequest = context.message()?;
    let filter = ListFilter { numbers: request.numbers, ..list_filter(request.page, request.trunk_ids) };
    let items = inbounds(context, filter).await?.iter().map(inbound_trunk).collect();
    context.answer(&proto::ListSipInboundTrunkResponse { items })
}

pub(super) async fn list_outbound(context: &Context<'_>) -> Result<Response, TwirpError> {
    let request: proto::ListSipOutboundTrunkRequest = context.message()?;
    let filter = ListFilter { numbers: request.numbers, ..list_filter(request.page, request.trunk_ids) };
    let items = outbounds(context, filter).await?.iter().map(outbound_trunk).collect();
    context.answer(&proto::ListSipOutboundTrunkResponse { items })
}

/// The deprecated list: inbound and outbound trunks together, by id.
pub(super) async fn list_legacy(context: &Context<'_>) -> Result<Response, TwirpError> {
    let request: proto::ListSipTrunkRequest = context.message()?;
    let filter = list_filter(request.page, Vec::new());
    let limit = filter.limit;
    let inbound = inbounds(context, filter.clone()).await?.into_iter().map(legacy_inbound);
    let outbound = outbounds(context, filter).await?.into_iter().map(legacy_outbound);
    let mut items: Vec<_> = inbound.chain(outbound).collect();
    items.sort_by(|a, b| a.sip_trunk_id.cmp(&b.sip_trunk_id));
    if limit > 0 {
        items.truncate(limit);
    }
    context.answer(&proto::ListSipTrunkResponse { items })
}

/// Answers a record that holds the id alone, as LiveKit does.
pub(super) async fn delete(context: &Context<'_>) -> Result<Response, TwirpError> {
    let request: proto::DeleteSipTrunkRequest = context.message()?;
    required("sip_trunk_id", &request.sip_trunk_id)?;
    match context.ask(Command::DeleteTrunk(request.sip_trunk_id.into())).await? {
        Reply::Deleted(id) => {
            context.answer(&proto::SipTrunkInfo { sip_trunk_id: id.as_str().to_owned(), ..Default::default() })
        }
        _ => Err(TwirpError::unexpected_reply()),
    }
}
