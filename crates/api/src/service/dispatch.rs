//! `livekit.AgentDispatchService`.

use super::Context;
use crate::{convert, grant::Grant, twirp::TwirpError};
use axum::response::Response;
use livekit_protocol as proto;
use trunkline_exchange::command::{Command, Reply};

/// A request to `livekit.AgentDispatchService`; `None` if there is no such method.
pub(crate) async fn call(context: &Context<'_>, method: &str) -> Option<Result<Response, TwirpError>> {
    Some(match method {
        "CreateDispatch" => create(context).await,
        "DeleteDispatch" => delete(context).await,
        "ListDispatch" => list(context).await,
        _ => return None,
    })
}

async fn create(context: &Context<'_>) -> Result<Response, TwirpError> {
    let request: proto::CreateAgentDispatchRequest = context.message()?;
    context.need(Grant::RoomAdmin(&request.room))?;
    let (room, agent) = convert::create_dispatch(request);
    answer(context, Command::CreateDispatch { room, agent: Box::new(agent) }).await
}

async fn delete(context: &Context<'_>) -> Result<Response, TwirpError> {
    let request: proto::DeleteAgentDispatchRequest = context.message()?;
    context.need(Grant::RoomAdmin(&request.room))?;
    answer(context, Command::DeleteDispatch { room: request.room, dispatch: request.dispatch_id.into() }).await
}

async fn list(context: &Context<'_>) -> Result<Response, TwirpError> {
    let request: proto::ListAgentDispatchRequest = context.message()?;
    context.need(Grant::RoomAdmin(&request.room))?;
    let dispatch = Some(request.dispatch_id).filter(|id| !id.is_empty()).map(Into::into);
    match context.ask(Command::ListDispatches { room: Some(request.room), dispatch }).await? {
        Reply::Dispatches(all) => {
            let agent_dispatches = all.iter().map(convert::dispatch).collect();
            context.answer(&proto::ListAgentDispatchResponse { agent_dispatches })
        }
        _ => Err(TwirpError::unexpected_reply()),
    }
}

async fn answer(context: &Context<'_>, command: Command) -> Result<Response, TwirpError> {
    match context.ask(command).await? {
        Reply::Dispatch(info) => context.answer(&convert::dispatch(&info)),
        _ => Err(TwirpError::unexpected_reply()),
    }
}
