//! Why a call or a participant ended.

use serde::{Deserialize, Serialize};

/// LiveKit's `DisconnectReason`, with its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are LiveKit's own and say it")]
#[repr(u8)]
pub enum DisconnectReason {
    UnknownReason = 0,
    ClientInitiated = 1,
    DuplicateIdentity = 2,
    ServerShutdown = 3,
    ParticipantRemoved = 4,
    RoomDeleted = 5,
    StateMismatch = 6,
    JoinFailure = 7,
    Migration = 8,
    SignalClose = 9,
    RoomClosed = 10,
    UserUnavailable = 11,
    UserRejected = 12,
    SipTrunkFailure = 13,
    ConnectionTimeout = 14,
    MediaFailure = 15,
    AgentError = 16,
}

/// Which side ended the call: the attribute `sip.hangupBy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The far end of the SIP leg.
    FarEnd,
    /// Somebody in the room or an API client.
    Room,
    /// Trunkline itself: a timer, a drain, a fault.
    Server,
}

/// Why a call ended: the attribute `sip.reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The far end sent BYE.
    RemoteBye,
    /// The far end sent CANCEL before the answer.
    Cancelled,
    /// `DeleteRoom`.
    RoomDeleted,
    /// The room closed because it was empty.
    RoomClosed,
    /// `RemoveParticipant`.
    ParticipantRemoved,
    /// Nobody in the room took the call within `ringing_timeout`.
    RingingTimeout,
    /// No agent came within `agent_timeout_ms`.
    NoAgent,
    /// The last agent left, and none came in its place.
    AgentLeft,
    /// Somebody in the room asked for it by `lk.sip.EndCall`, or the API client that waited for the
    /// answer of a call of ours went away.
    EndCall,
    /// `max_call_duration` was reached.
    MaxDuration,
    /// No RTP arrived for `media_timeout`.
    MediaTimeout,
    /// The 200 was never acknowledged (64·T1).
    NoAck,
    /// The offer could not be answered.
    NoCommonCodec,
    /// The far end of a call of ours declined it: 486, 600, 603 and their kin.
    Rejected,
    /// The far end of a call of ours is not there: 404, 408, 480 and their kin.
    Unavailable,
    /// Nobody answered a call of ours within its `ringing_timeout`.
    NoAnswer,
    /// The trunk of a call of ours failed: 5xx, no answer at all, no way to it, no valid credentials.
    TrunkFailure,
    /// The far end took our REFER, and has gone where it pointed.
    Transferred,
    /// The far end of this leg was replaced by another call (RFC 3891).
    Replaced,
    /// The caller entered a wrong pin, or none in time.
    WrongPin,
    /// The session was not refreshed (RFC 4028).
    SessionExpired,
    /// No media port or store could be had.
    Resource,
    /// The server is draining or stopping.
    Shutdown,
    /// The process died while the call ran.
    ServerCrash,
    /// A panic while the call was handled.
    Internal,
}

impl EndReason {
    /// The reason with which the participant leaves the room (LiveKit's table of disconnect
    /// reasons; a media timeout is `CLIENT_INITIATED`, so that agents close their session).
    pub const fn disconnect_reason(self) -> DisconnectReason {
        use DisconnectReason as D;
        match self {
            Self::RemoteBye
            | Self::Cancelled
            | Self::MaxDuration
            | Self::MediaTimeout
            | Self::NoAck
            | Self::EndCall => D::ClientInitiated,
            Self::RoomDeleted => D::RoomDeleted,
            Self::RoomClosed => D::RoomClosed,
            Self::ParticipantRemoved => D::ParticipantRemoved,
            Self::Transferred | Self::Replaced | Self::WrongPin | Self::SessionExpired => D::ClientInitiated,
            Self::Rejected => D::UserRejected,
            Self::RingingTimeout | Self::NoAgent | Self::Unavailable | Self::NoAnswer => D::UserUnavailable,
            Self::AgentLeft => D::AgentError,
            Self::NoCommonCodec => D::MediaFailure,
            Self::TrunkFailure | Self::Resource | Self::Internal => D::SipTrunkFailure,
            Self::Shutdown | Self::ServerCrash => D::ServerShutdown,
        }
    }

    /// Which side brought it about.
    pub const fn ended_by(self) -> EndedBy {
        match self {
            Self::RemoteBye
            | Self::Cancelled
            | Self::Rejected
            | Self::Unavailable
            | Self::Transferred
            | Self::Replaced
            | Self::WrongPin => EndedBy::FarEnd,
            Self::RoomDeleted | Self::RoomClosed | Self::ParticipantRemoved | Self::EndCall => EndedBy::Room,
            _ => EndedBy::Server,
        }
    }

    /// The reason as one word for attributes, records and webhooks.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RemoteBye => "remote_bye",
            Self::Cancelled => "cancelled",
            Self::RoomDeleted => "room_deleted",
            Self::RoomClosed => "room_closed",
            Self::ParticipantRemoved => "participant_removed",
            Self::RingingTimeout => "ringing_timeout",
            Self::NoAgent => "no_agent",
            Self::AgentLeft => "agent_left",
            Self::EndCall => "end_call",
            Self::MaxDuration => "max_duration",
            Self::MediaTimeout => "media_timeout",
            Self::NoAck => "no_ack",
            Self::NoCommonCodec => "no_common_codec",
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
            Self::NoAnswer => "no_answer",
            Self::TrunkFailure => "trunk_failure",
            Self::Transferred => "transferred",
            Self::Replaced => "replaced",
            Self::WrongPin => "wrong_pin",
            Self::SessionExpired => "session_expired",
            Self::Resource => "resource",
            Self::Shutdown => "shutdown",
            Self::ServerCrash => "server_crash",
            Self::Internal => "internal",
        }
    }
}
