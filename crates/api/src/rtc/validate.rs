//! `/rtc/validate` and `/rtc/v1/validate`: clients ask there why a WebSocket was refused.

use super::admission::{Refusal, admit};
use crate::router::App;
use axum::{
    extract::{RawQuery, State},
    http::HeaderMap,
};
use std::sync::Arc;
use trunkline_exchange::command::{Command, Reply};
use trunkline_room::signal::Transports;

/// `/rtc/v1/validate`.
pub(crate) async fn validate_single(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> axum::response::Response {
    answer(validate(&app, &headers, query, Transports::Single).await)
}

/// `/rtc/validate`.
pub(crate) async fn validate_dual(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> axum::response::Response {
    answer(validate(&app, &headers, query, Transports::Dual).await)
}

fn answer(result: Result<(), Refusal>) -> axum::response::Response {
    use axum::response::IntoResponse;
    result.map(|()| "success").into_response()
}

/// The same checks as before the upgrade, and whether the room is there if joins create none.
async fn validate(
    app: &App,
    headers: &HeaderMap,
    query: Option<String>,
    transports: Transports,
) -> Result<(), Refusal> {
    let admission = admit(app, headers, query.as_deref().unwrap_or_default(), transports)?;
    if app.config.auto_create {
        return Ok(());
    }
    match app.control.ask(Command::ListRooms(vec![admission.connect.room])).await? {
        Reply::Rooms(rooms) if rooms.is_empty() => Err(Refusal::no_room()),
        Reply::Rooms(_) => Ok(()),
        _ => Err(Refusal::internal("the exchange gave a reply of the wrong kind")),
    }
}
