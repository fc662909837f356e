//! From a worker's request to its running connection.

use super::connection::{Connection, MAX_FRAME};
use crate::{bearer, router::App, token};
use axum::{
    extract::{
        RawQuery, State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use std::sync::Arc;

/// `/agent`: a WebSocket, for whoever has the grant `video.agent`.
pub(crate) async fn open(
    State(app): State<Arc<App>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let api_key = match admit(&app, &headers, query.as_deref()) {
        Ok(api_key) => api_key,
        Err(text) => {
            tracing::debug!(reason = text, "worker refused");
            return (StatusCode::UNAUTHORIZED, text).into_response();
        }
    };
    let Ok(upgrade) = upgrade else { return StatusCode::NOT_FOUND.into_response() };
    upgrade
        .max_message_size(MAX_FRAME)
        .max_frame_size(MAX_FRAME)
        .on_upgrade(move |socket| Connection::new(app, api_key).run(socket))
}

/// The API key of a worker that may register; it signs what the worker's agents join with.
fn admit(app: &App, headers: &HeaderMap, query: Option<&str>) -> Result<String, String> {
    let text = bearer::token(headers, query)?.ok_or("permissions denied: the request has no token")?;
    let verified = token::verified(&text, &app.config.keys, (app.now)()).map_err(|error| error.to_string())?;
    if !verified.claims.video.agent {
        return Err("permissions denied: the token has no grant video.agent".into());
    }
    Ok(verified.api_key)
}
