//! Services of LiveKit that this server does not have: their lists are empty, the rest says so.

use super::Context;
use crate::{
    grant::Grant,
    twirp::{ErrorCode, TwirpError},
};
use axum::response::Response;
use livekit_protocol as proto;

/// A request to a service that is not implemented; `None` if LiveKit has no such method.
pub(crate) fn call(context: &Context<'_>, service: &str, method: &str) -> Option<Result<Response, TwirpError>> {
    match service {
        "livekit.Egress" => egress(context, method),
        "livekit.Ingress" => ingress(context, method),
        _ => None,
    }
}

/// `unimplemented`, once the grant has been checked.
pub(crate) fn unimplemented(context: &Context<'_>, grant: Grant<'_>, method: &str) -> Result<Response, TwirpError> {
    context.need(grant)?;
    Err(TwirpError::new(ErrorCode::Unimplemented, format!("this server does not implement {method}")))
}

fn egress(context: &Context<'_>, method: &str) -> Option<Result<Response, TwirpError>> {
    match method {
        "ListEgress" => {
            let allowed = context.need(Grant::RoomRecord);
            Some(allowed.and_then(|()| context.answer(&proto::ListEgressResponse::default())))
        }
        "StartEgress"
        | "UpdateLayout"
        | "UpdateStream"
        | "StopEgress"
        | "StartRoomCompositeEgress"
        | "StartWebEgress"
        | "StartParticipantEgress"
        | "StartTrackCompositeEgress"
        | "StartTrackEgress" => Some(unimplemented(context, Grant::RoomRecord, method)),
        _ => None,
    }
}

fn ingress(context: &Context<'_>, method: &str) -> Option<Result<Response, TwirpError>> {
    match method {
        "ListIngress" => {
            let allowed = context.need(Grant::IngressAdmin);
            Some(allowed.and_then(|()| context.answer(&proto::ListIngressResponse::default())))
        }
        "CreateIngress" | "UpdateIngress" | "DeleteIngress" => {
            Some(unimplemented(context, Grant::IngressAdmin, method))
        }
        _ => None,
    }
}
