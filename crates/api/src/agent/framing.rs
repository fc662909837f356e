//! How messages are written into a worker's frames: protobuf in binary ones. A worker that sends
//! protobuf JSON in text frames is answered so.

use axum::extract::ws::Message;
use livekit_protocol as proto;
use prost::Message as _;

/// The largest frame and the largest message a worker may send, in bytes.
pub(super) const MAX_FRAME: usize = 1024 * 1024;

/// How messages to a worker are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Framing {
    /// Protobuf in binary frames.
    #[default]
    Binary,
    /// Protobuf JSON in text frames.
    Text,
}

impl Framing {
    /// Writes a message. `None` if it cannot be written as JSON.
    pub(super) fn write(self, message: proto::server_message::Message) -> Option<Message> {
        let message = proto::ServerMessage { message: Some(message) };
        match self {
            Self::Binary => Some(Message::binary(message.encode_to_vec())),
            Self::Text => serde_json::to_string(&message).ok().map(Message::text),
        }
    }
}

/// Reads a frame: how it is written and the message in it, which is `None` if we do not know its
/// kind.
///
/// # Errors
/// What is wrong with it. The text holds nothing of the message.
pub(super) fn read(frame: &Message) -> Result<Option<(Framing, Option<proto::worker_message::Message>)>, String> {
    match frame {
        Message::Binary(bytes) => {
            let message = proto::WorkerMessage::decode(bytes.clone()).map_err(|error| error.to_string())?;
            Ok(Some((Framing::Binary, message.message)))
        }
        Message::Text(text) => {
            let message: proto::WorkerMessage = serde_json::from_str(text.as_str())
                .map_err(|error| format!("no WorkerMessage at line {} column {}", error.line(), error.column()))?;
            Ok(Some((Framing::Text, message.message)))
        }
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) => Ok(None),
    }
}
