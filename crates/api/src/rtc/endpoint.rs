//! `/rtc` and `/rtc/v1`: from the request to the running connection.

use super::{
    admission::{Admission, Refusal, admit},
    connection::{Connection, Lease, MAX_FRAME},
};
use crate::router::App;
use axum::{
    extract::{
        RawQuery, State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use std::sync::Arc;
use trunkline_exchange::command::{Command, Reply};
use trunkline_room::signal::Transports;

/// Bytes read and written at a time: most messages fit, and each connection has two of them.
const BUFFER: usize = 4 * 1024;

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// `/rtc/v1`.
pub(crate) async fn single(
    State(app): State<Arc<App>>,
    upgrade: Upgrade,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    open(app, upgrade, headers, query, Transports::Single).await
}

/// `/rtc`.
pub(crate) async fn dual(
    State(app): State<Arc<App>>,
    upgrade: Upgrade,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    open(app, upgrade, headers, query, Transports::Dual).await
}

async fn open(
    app: Arc<App>,
    upgrade: Upgrade,
    headers: HeaderMap,
    query: Option<String>,
    transports: Transports,
) -> Response {
    let Ok(upgrade) = upgrade else { return StatusCode::NOT_FOUND.into_response() };
    match connect(app, &headers, query.as_deref().unwrap_or_default(), transports).await {
        Ok(connection) => upgrade
            .max_message_size(MAX_FRAME)
            .max_frame_size(MAX_FRAME)
            .read_buffer_size(BUFFER)
            .write_buffer_size(BUFFER)
            .on_upgrade(move |socket| connection.run(socket)),
        Err(refusal) => refusal.into_response(),
    }
}

async fn connect(
    app: Arc<App>,
    headers: &HeaderMap,
    query: &str,
    transports: Transports,
) -> Result<Connection, Refusal> {
    let Admission { connect, ticket } = admit(&app, headers, query, transports)?;
    // The exchange may speak before its reply is here, so the queue comes first.
    let outbox = app.signals.register();
    let lease = Lease::new(app.clone(), outbox.id);
    let connection = Connection::new(app.clone(), lease, outbox, &connect.join, ticket);
    match app.control.ask(Command::Connect(connection.id(), Box::new(connect))).await {
        Ok(Reply::Done) => Ok(connection),
        Ok(_) => Err(Refusal::internal("the exchange gave a reply of the wrong kind")),
        Err(error) => {
            connection.refused();
            Err(error.into())
        }
    }
}
