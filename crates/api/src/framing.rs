//! How messages are written into WebSocket frames: protobuf in binary ones, protobuf JSON in text
//! ones. We answer as we were spoken to last.

use axum::extract::ws::Message;
use serde::{Serialize, de::DeserializeOwned};

/// How messages to the other side are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Protobuf in binary frames, as every client and worker of LiveKit speaks.
    #[default]
    Binary,
    /// Protobuf JSON in text frames.
    Text,
}

impl Framing {
    /// Writes a message. `None` if it cannot be written as JSON.
    pub(crate) fn write(self, message: &(impl prost::Message + Serialize)) -> Option<Message> {
        match self {
            Self::Binary => Some(Message::binary(message.encode_to_vec())),
            Self::Text => serde_json::to_string(message).ok().map(Message::text),
        }
    }
}

/// Reads a frame: how it is written and the message in it; `None` for a frame without one, a ping
/// for instance.
///
/// # Errors
/// What is wrong with it. The text holds nothing of the message.
pub(crate) fn read<M>(frame: &Message) -> Result<Option<(Framing, M)>, String>
where
    M: prost::Message + Default + DeserializeOwned,
{
    match frame {
        Message::Binary(bytes) => {
            let message = M::decode(bytes.clone()).map_err(|error| error.to_string())?;
            Ok(Some((Framing::Binary, message)))
        }
        Message::Text(text) => {
            let message = serde_json::from_str(text.as_str()).map_err(|error| {
                format!("not the message it should be: line {} column {}", error.line(), error.column())
            })?;
            Ok(Some((Framing::Text, message)))
        }
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) => Ok(None),
    }
}
