//! `trunkline.Agents`: the workers there are, and why dispatches wait. JSON only.

use super::Context;
use crate::{
    convert,
    grant::Grant,
    json_names::SnakeCase,
    twirp::{TwirpError, write_json},
};
use axum::response::Response;
use livekit_protocol as proto;
use serde::{Deserialize, Serialize};
use serde_json::json;
use trunkline_exchange::command::{Command, Reply};

#[derive(Default, Deserialize)]
#[serde(default)]
struct ListRequest {
    room: String,
}

/// A dispatch and why it waits.
#[derive(Serialize)]
struct Shown<'a> {
    waiting: String,
    dispatch: SnakeCase<'a, proto::AgentDispatch>,
}

/// A request to `trunkline.Agents`; `None` if there is no such method.
pub(crate) async fn call(context: &Context<'_>, method: &str) -> Option<Result<Response, TwirpError>> {
    if !matches!(method, "ListWorkers" | "ListDispatches") {
        return None;
    }
    if let Err(error) = context.need(Grant::SipAdmin) {
        return Some(Err(error));
    }
    Some(if method == "ListWorkers" { workers(context).await } else { dispatches(context).await })
}

async fn workers(context: &Context<'_>) -> Result<Response, TwirpError> {
    match context.ask(Command::ListWorkers).await? {
        Reply::Workers(workers) => write_json(&json!({ "workers": workers })),
        _ => Err(TwirpError::unexpected_reply()),
    }
}

/// Of a room, or of all.
async fn dispatches(context: &Context<'_>) -> Result<Response, TwirpError> {
    let request: ListRequest = context.json()?;
    let room = Some(request.room).filter(|room| !room.is_empty());
    match context.ask(Command::ListDispatches { room, dispatch: None }).await? {
        Reply::Dispatches(all) => {
            let written: Vec<_> = all.iter().map(convert::dispatch).collect();
            let waiting = all.into_iter().map(|info| info.waiting);
            let shown: Vec<_> = waiting
                .zip(&written)
                .map(|(waiting, dispatch)| Shown { waiting, dispatch: SnakeCase(dispatch) })
                .collect();
            write_json(&json!({ "dispatches": shown }))
        }
        _ => Err(TwirpError::unexpected_reply()),
    }
}
