//! What can be seen of rooms and participants.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trunkline_types::{DisconnectReason, ParticipantSid, RoomSid, TrackSid};

/// What a room is created with; zero and empty mean: the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomSettings {
    /// Seconds a room stays while nobody has ever joined.
    pub empty_timeout: u32,
    /// Seconds a room stays after the last one left.
    pub departure_timeout: u32,
    /// 0 for no limit; agents do not count.
    pub max_participants: u32,
    /// Free text.
    pub metadata: String,
    /// Agents to dispatch when the room is first created: name and metadata.
    pub agents: Vec<(String, String)>,
}

/// LiveKit's `Room`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of LiveKit's message")]
pub struct RoomInfo {
    pub sid: RoomSid,
    pub name: String,
    pub empty_timeout: u32,
    pub departure_timeout: u32,
    pub max_participants: u32,
    pub creation_time_ms: i64,
    pub metadata: String,
    pub num_participants: u32,
    pub num_publishers: u32,
}

/// LiveKit's `ParticipantInfo.Kind`, with its numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "LiveKit's names")]
pub enum Kind {
    #[default]
    Standard = 0,
    Ingress = 1,
    Egress = 2,
    Sip = 3,
    Agent = 4,
}

/// LiveKit's `ParticipantInfo.State`, with its numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "LiveKit's names")]
pub enum State {
    #[default]
    Joining = 0,
    Joined = 1,
    Active = 2,
    Disconnected = 3,
}

/// LiveKit's `ParticipantPermission`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of LiveKit's message")]
pub struct Permission {
    pub can_subscribe: bool,
    pub can_publish: bool,
    pub can_publish_data: bool,
    pub can_update_metadata: bool,
    pub hidden: bool,
}

impl Default for Permission {
    fn default() -> Self {
        Self {
            can_subscribe: true,
            can_publish: true,
            can_publish_data: true,
            can_update_metadata: true,
            hidden: false,
        }
    }
}

/// A published audio track; its source is the microphone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrackInfo {
    /// `TR_AM…`.
    pub sid: TrackSid,
    /// Its name.
    pub name: String,
    /// Muted.
    pub muted: bool,
    /// For instance `audio/opus`, `audio/PCMU`.
    pub mime_type: String,
}

/// LiveKit's `ParticipantInfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of LiveKit's message")]
pub struct ParticipantInfo {
    pub sid: ParticipantSid,
    pub identity: String,
    pub name: String,
    pub state: State,
    pub kind: Kind,
    pub metadata: String,
    pub attributes: BTreeMap<String, String>,
    pub permission: Permission,
    pub tracks: Vec<TrackInfo>,
    pub joined_at_ms: i64,
    pub version: u32,
    pub is_publisher: bool,
    /// Set once it has left.
    pub disconnect_reason: Option<DisconnectReason>,
}

/// `UpdateParticipant`: empty name and metadata keep, attributes are merged and an empty value
/// deletes, a permission replaces all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of LiveKit's message")]
pub struct ParticipantPatch {
    pub name: String,
    pub metadata: String,
    pub attributes: BTreeMap<String, String>,
    pub permission: Option<Permission>,
}

/// Who joins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of ParticipantInfo")]
pub struct Join {
    pub identity: String,
    pub name: String,
    pub kind: Kind,
    pub metadata: String,
    pub attributes: BTreeMap<String, String>,
    pub permission: Permission,
}
