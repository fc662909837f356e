//! What can be seen of rooms and participants.

use crate::worker::AgentRequest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trunkline_types::{DisconnectReason, ParticipantSid, RoomSid, TrackSid, VoiceCodec};

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
    /// Agents to dispatch when the room is first created.
    pub agents: Vec<AgentRequest>,
    /// What it speaks over WebRTC; it stays so.
    pub voice_codec: Option<VoiceCodec>,
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
    /// What is published as audio.
    pub voice_codec: VoiceCodec,
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
    /// A bit for each LiveKit number of a track source that may be published; 0 for all.
    pub can_publish_sources: u32,
    pub can_update_metadata: bool,
    pub can_subscribe_metrics: bool,
    pub hidden: bool,
    pub recorder: bool,
    pub agent: bool,
}

impl Permission {
    /// Whether a track of this source may be published.
    pub const fn allows(self, source: Source) -> bool {
        self.can_publish && (self.can_publish_sources == 0 || self.can_publish_sources & 1 << source as u32 != 0)
    }
}

impl Default for Permission {
    fn default() -> Self {
        Self {
            can_subscribe: true,
            can_publish: true,
            can_publish_data: true,
            can_publish_sources: 0,
            can_update_metadata: true,
            can_subscribe_metrics: false,
            hidden: false,
            recorder: false,
            agent: false,
        }
    }
}

/// LiveKit's `TrackType`, with its numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "LiveKit's names")]
pub enum TrackKind {
    #[default]
    Audio = 0,
    Video = 1,
}

/// LiveKit's `TrackSource`, with its numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "LiveKit's names")]
pub enum Source {
    Unknown = 0,
    Camera = 1,
    #[default]
    Microphone = 2,
    ScreenShare = 3,
    ScreenShareAudio = 4,
}

/// LiveKit's `VideoLayer`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of LiveKit's message")]
pub struct VideoLayer {
    pub quality: i32,
    pub width: u32,
    pub height: u32,
    pub bitrate: u32,
    pub ssrc: u32,
}

/// LiveKit's `TrackInfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrackInfo {
    /// `TR_AM…`.
    pub sid: TrackSid,
    /// Audio or video.
    pub kind: TrackKind,
    /// Where it comes from.
    pub source: Source,
    /// Its name.
    pub name: String,
    /// Muted.
    pub muted: bool,
    /// For instance `audio/opus`, `audio/PCMU`.
    pub mime_type: String,
    /// The section of the publisher's connection; empty until it sends.
    pub mid: String,
    /// The stream tracks are grouped by.
    pub stream: String,
    /// Of a video.
    pub width: u32,
    /// Of a video.
    pub height: u32,
    /// Of a video.
    pub layers: Vec<VideoLayer>,
    /// Whether it is sent in several layers.
    pub simulcast: bool,
    /// No discontinuous transmission.
    pub disable_dtx: bool,
    /// No redundancy.
    pub disable_red: bool,
    /// Two channels.
    pub stereo: bool,
    /// LiveKit's `Encryption.Type`: what is not 0 is opaque to us.
    pub encryption: i32,
    /// LiveKit's `AudioTrackFeature`s.
    pub audio_features: Vec<i32>,
}

impl TrackInfo {
    /// The sid's prefix for a track of this kind and source.
    pub const fn sid_prefix(&self) -> &'static str {
        match (self.kind, self.source) {
            (TrackKind::Audio, Source::ScreenShareAudio) => "TR_As",
            (TrackKind::Audio, Source::Microphone) => "TR_AM",
            (TrackKind::Audio, _) => "TR_AU",
            (TrackKind::Video, Source::Camera) => "TR_VC",
            (TrackKind::Video, Source::ScreenShare) => "TR_VS",
            (TrackKind::Video, _) => "TR_VU",
        }
    }
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
    /// What its client understands; steers what other clients send to it.
    pub client_protocol: i32,
    /// LiveKit's `ClientInfo.Capability`s.
    pub capabilities: Vec<i32>,
    /// Set once it has left.
    pub disconnect_reason: Option<DisconnectReason>,
}

impl ParticipantInfo {
    /// Whether it is there for the sake of others: an agent or a recorder.
    pub const fn is_dependent(&self) -> bool {
        matches!(self.kind, Kind::Agent | Kind::Egress) || self.permission.agent || self.permission.recorder
    }
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
    /// The signalling protocol of its client; 0 for participants of our own.
    pub protocol: i32,
    /// What its client understands.
    pub client_protocol: i32,
    /// LiveKit's `ClientInfo.Capability`s.
    pub capabilities: Vec<i32>,
}
