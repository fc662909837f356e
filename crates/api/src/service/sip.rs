//! `livekit.SIP`: which handler and which grant a method has.

use super::{Context, rule, sip_participant, trunk};
use crate::{grant::Grant, twirp::TwirpError};
use axum::response::Response;

/// A request to `livekit.SIP`; `None` if there is no such method.
pub(crate) async fn call(context: &Context<'_>, method: &str) -> Option<Result<Response, TwirpError>> {
    let handled = match method {
        "CreateSIPParticipant" => sip_participant::create(context).await,
        "TransferSIPParticipant" => sip_participant::transfer(context).await,
        "CreateSIPInboundTrunk"
        | "CreateSIPOutboundTrunk"
        | "UpdateSIPInboundTrunk"
        | "UpdateSIPOutboundTrunk"
        | "GetSIPInboundTrunk"
        | "GetSIPOutboundTrunk"
        | "ListSIPTrunk"
        | "ListSIPInboundTrunk"
        | "ListSIPOutboundTrunk"
        | "DeleteSIPTrunk"
        | "CreateSIPDispatchRule"
        | "UpdateSIPDispatchRule"
        | "ListSIPDispatchRule"
        | "DeleteSIPDispatchRule" => records(context, method).await,
        _ => return None,
    };
    Some(handled)
}

async fn records(context: &Context<'_>, method: &str) -> Result<Response, TwirpError> {
    context.need(Grant::SipAdmin)?;
    match method {
        "CreateSIPInboundTrunk" => trunk::create_inbound(context).await,
        "CreateSIPOutboundTrunk" => trunk::create_outbound(context).await,
        "UpdateSIPInboundTrunk" => trunk::update_inbound(context).await,
        "UpdateSIPOutboundTrunk" => trunk::update_outbound(context).await,
        "GetSIPInboundTrunk" => trunk::get_inbound(context).await,
        "GetSIPOutboundTrunk" => trunk::get_outbound(context).await,
        "ListSIPTrunk" => trunk::list_legacy(context).await,
        "ListSIPInboundTrunk" => trunk::list_inbound(context).await,
        "ListSIPOutboundTrunk" => trunk::list_outbound(context).await,
        "DeleteSIPTrunk" => trunk::delete(context).await,
        "CreateSIPDispatchRule" => rule::create(context).await,
        "UpdateSIPDispatchRule" => rule::update(context).await,
        "ListSIPDispatchRule" => rule::list(context).await,
        "DeleteSIPDispatchRule" => rule::delete(context).await,
        _ => Err(TwirpError::bad_route(method)),
    }
}
