//! Policies that routing decides and calls follow.

use serde::{Deserialize, Serialize};

/// LiveKit's `SIPHeaderOptions`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum IncludeHeaders {
    /// `SIP_NO_HEADERS`.
    #[default]
    SipNoHeaders,
    /// `SIP_X_HEADERS`: every `X-*` header becomes `sip.h.<lower-case name>`.
    SipXHeaders,
    /// `SIP_ALL_HEADERS`: every header but the credentials.
    SipAllHeaders,
}

/// When an inbound call is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerPolicy {
    /// When the SIP participant has subscribed to a remote audio track, as LiveKit does.
    #[default]
    OnAudio,
    /// At once.
    Immediate,
    /// When an agent has joined the room.
    AgentJoined,
}

/// What becomes of a call when the last agent has left its room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentLeft {
    /// It stays until somebody ends it, as LiveKit has it.
    #[default]
    Stay,
    /// It ends, unless an agent comes in time.
    End,
}

/// Who may end a call and read its headers by RPC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallControl {
    /// Agents, and API clients with `roomAdmin`.
    #[default]
    Agents,
    /// Every participant of the room, as LiveKit has it.
    Everybody,
}
