//! `trunkline.Calls`: the records of calls, their ladders, what routing would decide, and hold. JSON
//! only.

use super::Context;
use crate::{
    grant::Grant,
    twirp::{ErrorCode, TwirpError, write_json},
};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use trunkline_exchange::command::{CallRecord, Command, Reply};
use trunkline_routing::CallFacts;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;

#[derive(Default, Deserialize)]
#[serde(default)]
struct ListRequest {
    limit: Option<usize>,
    before_ms: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CallRequest {
    call_id: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ExplainRequest {
    from: String,
    from_host: String,
    to: String,
    source: String,
    authenticated_trunk_id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HoldRequest {
    room: String,
    identity: String,
}

/// A request to `trunkline.Calls`; `None` if there is no such method.
pub(crate) async fn call(context: &Context<'_>, method: &str) -> Option<Result<Response, TwirpError>> {
    if matches!(method, "Hold" | "Resume") {
        return Some(hold(context, method == "Hold").await);
    }
    if !matches!(method, "ListCalls" | "GetCall" | "GetLadder" | "Explain") {
        return None;
    }
    if let Err(error) = context.need(Grant::SipAdmin) {
        return Some(Err(error));
    }
    Some(match method {
        "ListCalls" => list(context).await,
        "GetCall" => get(context).await,
        "GetLadder" => ladder(context).await,
        _ => explain(context).await,
    })
}

/// Newest first; running calls are shown as they are now, stored or not.
async fn list(context: &Context<'_>) -> Result<Response, TwirpError> {
    let request: ListRequest = context.json()?;
    let limit = request.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let in_time = |call: &CallRecord| request.before_ms.is_none_or(|before| call.created_at_ms < before);
    // The exchange first: a call that ends between the two questions is in the store by then.
    let running: Vec<CallRecord> = running(context).await?.into_iter().filter(in_time).collect();
    let stored = context.control.calls(limit, request.before_ms).await.map_err(store_failed)?;
    let calls = newest_first(stored, running, limit);
    write_json(&json!({ "calls": calls }))
}

async fn get(context: &Context<'_>) -> Result<Response, TwirpError> {
    let id = call_id(context)?;
    // In this order for the same reason as in the list.
    let running = running(context).await?.into_iter().find(|call| call.call_id.as_str() == id);
    let stored = context.control.call(id.clone()).await.map_err(store_failed)?;
    let call = match (stored, running) {
        (Some(stored), Some(_)) if stored.ended_at_ms.is_some() => Some(stored),
        (stored, running) => running.or(stored),
    };
    match call {
        Some(call) => write_json(&json!({ "call": call })),
        None => Err(no_such_call(&id)),
    }
}

async fn ladder(context: &Context<'_>) -> Result<Response, TwirpError> {
    let id = call_id(context)?;
    let entries = context.control.ladder(id).await.map_err(store_failed)?;
    write_json(&json!({ "entries": entries }))
}

async fn explain(context: &Context<'_>) -> Result<Response, TwirpError> {
    let request: ExplainRequest = context.json()?;
    let facts = CallFacts {
        from: request.from,
        from_host: request.from_host,
        to: request.to,
        source: request.source,
        authenticated: request.authenticated_trunk_id.map(Into::into),
    };
    match context.ask(Command::Explain(facts)).await? {
        Reply::Explanation(explanation) => write_json(&json!({ "explanation": explanation })),
        _ => Err(TwirpError::unexpected_reply()),
    }
}

/// Puts the telephone of a participant on hold, or takes it back. Who may transfer it may do that, and
/// who may see the calls.
async fn hold(context: &Context<'_>, hold: bool) -> Result<Response, TwirpError> {
    let HoldRequest { room, identity } = context.json()?;
    if context.need(Grant::SipAdmin).is_err() {
        context.need(Grant::SipCall)?;
        context.need(Grant::RoomAdmin(&room))?;
    }
    super::checks::required("room", &room)?;
    super::checks::required("identity", &identity)?;
    context.ask(Command::Hold { room, identity, hold }).await?;
    write_json(&json!({}))
}

fn call_id(context: &Context<'_>) -> Result<String, TwirpError> {
    let request: CallRequest = context.json()?;
    super::checks::required("call_id", &request.call_id)?;
    Ok(request.call_id)
}

async fn running(context: &Context<'_>) -> Result<Vec<CallRecord>, TwirpError> {
    match context.ask(Command::LiveCalls).await? {
        Reply::Calls(calls) => Ok(calls),
        _ => Err(TwirpError::unexpected_reply()),
    }
}

/// One record per call: the ended one if there is one, else the running one.
fn newest_first(stored: Vec<CallRecord>, running: Vec<CallRecord>, limit: usize) -> Vec<CallRecord> {
    let ended: BTreeSet<_> =
        stored.iter().filter(|call| call.ended_at_ms.is_some()).map(|call| call.call_id.clone()).collect();
    let mut calls: BTreeMap<_, _> = stored.into_iter().map(|call| (call.call_id.clone(), call)).collect();
    for call in running {
        if !ended.contains(&call.call_id) {
            calls.insert(call.call_id.clone(), call);
        }
    }
    let mut calls: Vec<CallRecord> = calls.into_values().collect();
    calls.sort_by(|a, b| (b.created_at_ms, &b.call_id).cmp(&(a.created_at_ms, &a.call_id)));
    calls.truncate(limit);
    calls
}

fn store_failed(text: String) -> TwirpError {
    TwirpError::new(ErrorCode::Unavailable, format!("the store could not be read: {text}"))
}

fn no_such_call(id: &str) -> TwirpError {
    TwirpError::new(ErrorCode::NotFound, format!("call {id:?} does not exist"))
}
