//! What all our WebSockets share: frames in and out, and how a connection ends.

use axum::{
    Error,
    extract::ws::{CloseFrame, Message, WebSocket, close_code},
};
use std::time::Duration;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{self, error::ProtocolError};
use trunkline_exchange::port::ConnectionId;
use trunkline_types::limits::STREAM_WRITE;

/// How often a WebSocket is pinged.
pub(crate) const PING: Duration = Duration::from_secs(10);
/// How long the far end may take to close its side.
const GOODBYE: Duration = Duration::from_secs(2);

/// Why a connection ends.
#[derive(Debug)]
pub(crate) enum End {
    /// The exchange said so.
    HungUp,
    /// The far end closed it, or it broke.
    Gone,
    /// Nothing was heard for too long.
    Silent,
    /// Who it is was not said in time.
    Stranger,
    /// The far end does not read.
    Stuck,
    /// A frame that breaks the WebSocket protocol or its limits.
    Broken(String),
    /// A frame that holds no message, or one that may not come now.
    Malformed(String),
    /// It says too much, or the exchange takes no more.
    Overloaded,
}

/// A frame as it was received, or why there will be no more.
pub(crate) fn received(frame: Option<Result<Message, Error>>) -> Result<Message, End> {
    match frame {
        None | Some(Ok(Message::Close(_))) => Err(End::Gone),
        Some(Err(error)) => Err(broken(error)),
        Some(Ok(frame)) => Ok(frame),
    }
}

/// A connection that was cut is lost, as connections are; only what cannot be read is a fault of the
/// far end.
fn broken(error: Error) -> End {
    let text = error.to_string();
    match error.into_inner().downcast_ref::<tungstenite::Error>() {
        Some(
            tungstenite::Error::Io(_)
            | tungstenite::Error::ConnectionClosed
            | tungstenite::Error::AlreadyClosed
            | tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake),
        ) => End::Gone,
        _ => End::Broken(text),
    }
}

/// Sends a frame, for which the far end has a bounded time.
pub(crate) async fn write(socket: &mut WebSocket, frame: Message) -> Result<(), End> {
    match timeout(STREAM_WRITE, socket.send(frame)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Gone),
        Err(_) => Err(End::Stuck),
    }
}

/// Ends a connection to a `peer` ("client", "worker"): logs why, and says goodbye to who may hear it.
pub(crate) async fn finish(socket: WebSocket, end: End, peer: &'static str, connection: ConnectionId) {
    let code = match &end {
        End::HungUp => Some(close_code::NORMAL),
        End::Gone => {
            tracing::debug!(connection, peer, "WebSocket gone");
            None
        }
        End::Silent | End::Stuck | End::Stranger => {
            tracing::info!(connection, peer, ?end, "WebSocket dropped");
            return;
        }
        End::Broken(error) => {
            tracing::warn!(connection, peer, error, "WebSocket closed: a broken frame");
            Some(close_code::PROTOCOL)
        }
        End::Malformed(error) => {
            tracing::warn!(connection, peer, error, "WebSocket closed: no message that may come now");
            Some(close_code::UNSUPPORTED)
        }
        End::Overloaded => {
            tracing::warn!(connection, peer, "WebSocket closed: it says more than is taken");
            Some(close_code::AGAIN)
        }
    };
    // Who stays too long is cut off.
    let _ = timeout(GOODBYE, close(socket, code)).await;
}

/// Says goodbye and reads on until the far end has closed too: a socket closed with unread input
/// resets the connection, and what was just written could be lost.
async fn close(mut socket: WebSocket, code: Option<u16>) {
    if let Some(code) = code {
        // The far end may have gone without waiting for it.
        let _ = socket.send(Message::Close(Some(CloseFrame { code, reason: "".into() }))).await;
    }
    while let Some(Ok(_)) = socket.recv().await {}
}
