//! How messages are written into WebSocket frames: protobuf in binary ones, protobuf JSON in text
//! ones. We answer as we were spoken to last.

use axum::extract::ws::Message;
use livekit_protocol as proto;
use prost::Message as _;

/// The largest frame and the largest message a client may send, in bytes.
pub(super) const MAX_FRAME: usize = 2 * 1024 * 1024;

/// How messages to a client are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Framing {
    /// Protobuf in binary frames, as every client of LiveKit speaks.
    #[default]
    Binary,
    /// Protobuf JSON in text frames.
    Text,
}

impl Framing {
    /// Writes a message. `None` if it cannot be written as JSON.
    pub(super) fn write(self, message: proto::signal_response::Message) -> Option<Message> {
        let response = proto::SignalResponse { message: Some(message) };
        match self {
            Self::Binary => Some(Message::binary(response.encode_to_vec())),
            Self::Text => serde_json::to_string(&response).ok().map(Message::text),
        }
    }
}

/// Reads a frame: how it is written and the message in it, which is `None` if we do not know its
/// kind.
///
/// # Errors
/// What is wrong with it. The text holds nothing of the message.
pub(super) fn read(frame: &Message) -> Result<Option<(Framing, Option<proto::signal_request::Message>)>, String> {
    match frame {
        Message::Binary(bytes) => {
            let request = proto::SignalRequest::decode(bytes.clone()).map_err(|error| error.to_string())?;
            Ok(Some((Framing::Binary, request.message)))
        }
        Message::Text(text) => {
            let request: proto::SignalRequest = serde_json::from_str(text.as_str())
                .map_err(|error| format!("no SignalRequest at line {} column {}", error.line(), error.column()))?;
            Ok(Some((Framing::Text, request.message)))
        }
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) => Ok(None),
    }
}
