//! What a client and its room say to each other over the signalling WebSocket: LiveKit's
//! `SignalRequest` and `SignalResponse` in our own types. Fields we do not act on are not here.

use crate::{ParticipantInfo, ParticipantPatch, RoomInfo, TrackInfo};
use std::collections::BTreeMap;
use trunkline_types::{DisconnectReason, ParticipantSid, TrackSid};

/// A session description and the number its sender gave it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// The SDP text.
    pub sdp: String,
    /// Offers are numbered by their sender; an answer repeats the number. 0 if there is none.
    pub id: u32,
}

/// LiveKit's `AddTrackRequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddTrack {
    /// The track id that the client's offer names in `a=msid`.
    pub cid: String,
    /// What the track shall be; `sid`, `mid` and `mime_type` are still empty.
    pub track: TrackInfo,
}

/// What a client asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// An offer for its publisher connection, or for the only one.
    Offer(Description),
    /// The answer to our offer for its subscriber connection.
    Answer(Description),
    /// It will publish a track.
    AddTrack(AddTrack),
    /// It mutes or unmutes a track of its own.
    Mute {
        /// The track.
        track: TrackSid,
        /// Muted.
        muted: bool,
    },
    /// It wants to hear and see these tracks, or no longer.
    UpdateSubscription {
        /// The tracks.
        tracks: Vec<TrackSid>,
        /// Wanted.
        subscribe: bool,
    },
    /// It pauses or resumes tracks it has subscribed to.
    UpdateTrackSettings {
        /// The tracks.
        tracks: Vec<TrackSid>,
        /// Paused.
        disabled: bool,
    },
    /// Whom it lets hear and see its tracks, from now on (`SubscriptionPermission`).
    SubscriptionPermission {
        /// Everybody; then the list says nothing.
        everybody: bool,
        /// Those who may; nobody else does.
        listed: Vec<TrackPermission>,
    },
    /// A track of its own has changed (`UpdateLocalAudioTrack`, `UpdateLocalVideoTrack`).
    UpdateTrack {
        /// The track.
        track: TrackSid,
        /// How it is now.
        change: TrackChange,
    },
    /// It changes its own name, metadata or attributes.
    UpdateMetadata {
        /// To be repeated in the reply.
        request_id: u32,
        /// The change.
        patch: ParticipantPatch,
    },
    /// After a resume: what it holds.
    SyncState(SyncState),
    /// It leaves.
    Leave(DisconnectReason),
    /// A test scenario.
    Simulate(Scenario),
    /// Something that is not supported and that its sender waits for.
    Unsupported {
        /// To be repeated in the reply.
        request_id: u32,
    },
}

/// LiveKit's `TrackPermission`: which tracks somebody may hear and see. He is named by his identity,
/// his sid or both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrackPermission {
    /// Who; empty if the identity names him.
    pub participant: ParticipantSid,
    /// Who; empty if the sid names him.
    pub identity: String,
    /// All tracks; then the list says nothing.
    pub all_tracks: bool,
    /// These tracks.
    pub tracks: Vec<TrackSid>,
}

/// How a track of a client has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrackChange {
    /// Of an audio track.
    Audio {
        /// LiveKit's `AudioTrackFeature`s, all of them.
        features: Vec<i32>,
    },
    /// Of a video track, in pixels.
    Video {
        /// From left to right.
        width: u32,
        /// From top to bottom.
        height: u32,
    },
}

/// What a resuming client knows and has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncState {
    /// The tracks it publishes.
    pub published: Vec<TrackSid>,
    /// Up to which number it has received each participant's reliable packets.
    pub received: Vec<(ParticipantSid, u32)>,
    /// The tracks it has paused.
    pub disabled: Vec<TrackSid>,
}

/// LiveKit's `SimulateScenario`, as far as a server can play it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "LiveKit's names")]
pub enum Scenario {
    /// Speakers are reported for this many seconds.
    SpeakerUpdate(i32),
    NodeFailure,
    Migration,
    ServerLeave,
    /// The next resumed connection is cut after the room's words on it.
    DisconnectSignalOnResume,
    /// The next resumed connection is cut before any word on it.
    DisconnectSignalOnResumeNoMessages,
    LeaveRequestFullReconnect,
    /// `SwitchCandidateProtocol`: media goes over TCP alone from now on, or over whatever there is.
    TcpAlone(bool),
    /// One that cannot be played, and why.
    Unplayable(&'static str),
}

/// What a client shall do after a [`Response::Leave`], with LiveKit's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "LiveKit's names")]
pub enum LeaveAction {
    Disconnect = 0,
    Resume = 1,
    Reconnect = 2,
}

/// LiveKit's `RequestResponse.Reason`, with its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "LiveKit's names")]
pub enum Outcome {
    Ok = 0,
    NotFound = 1,
    NotAllowed = 2,
    LimitExceeded = 3,
    UnsupportedType = 5,
}

/// What a `RequestResponse` is about: it repeats the request, so that clients can match it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// Nothing that needs repeating.
    Nothing,
    /// `UpdateMetadata`.
    Metadata(ParticipantPatch),
    /// `AddTrack`.
    AddTrack(AddTrack),
    /// `UpdateLocalAudioTrack` or `UpdateLocalVideoTrack`.
    UpdateTrack(TrackSid, TrackChange),
}

/// LiveKit's `SpeakerInfo`.
#[derive(Clone, Debug, PartialEq)]
pub struct Speaker {
    /// Who.
    pub participant: ParticipantSid,
    /// 0 to 1, always finite.
    pub level: f32,
    /// Whether he speaks now.
    pub active: bool,
}

/// LiveKit's `ConnectionQuality`, with its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "LiveKit's names")]
pub enum Quality {
    Poor = 0,
    Good = 1,
    Excellent = 2,
    Lost = 3,
}

/// What the room tells a client.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// The first message of a session.
    Join(Box<Joined>),
    /// The first message of a resumed session.
    Reconnect {
        /// The last number seen of the client's own reliable packets.
        last_message_seq: u32,
    },
    /// The answer to its offer.
    Answer {
        /// The answer, with the offer's number.
        description: Description,
        /// Which track each section carries to the client.
        tracks_by_mid: BTreeMap<String, TrackSid>,
    },
    /// An offer for its subscriber connection.
    Offer {
        /// The offer.
        description: Description,
        /// Which track each section carries to the client.
        tracks_by_mid: BTreeMap<String, TrackSid>,
    },
    /// Participants changed, came or left.
    Update(Vec<ParticipantInfo>),
    /// A track may be published.
    TrackPublished {
        /// The client's id of it.
        cid: String,
        /// What it has become.
        track: TrackInfo,
    },
    /// A track of the client was taken away.
    TrackUnpublished(TrackSid),
    /// Somebody hears a track of the client for the first time.
    TrackSubscribed(TrackSid),
    /// The server mutes a track of the client.
    Mute {
        /// The track.
        track: TrackSid,
        /// Muted.
        muted: bool,
    },
    /// Who speaks has changed.
    Speakers(Vec<Speaker>),
    /// The room changed.
    RoomUpdate(RoomInfo),
    /// How good connections are.
    ConnectionQuality(Vec<(ParticipantSid, Quality)>),
    /// The client shall offer again, with so many more sections to receive on.
    MediaSections {
        /// Audio.
        audios: u32,
        /// Video.
        videos: u32,
    },
    /// Whether the client may subscribe to somebody's track has changed
    /// (`SubscriptionPermissionUpdate`).
    SubscriptionPermission {
        /// The publisher.
        participant: ParticipantSid,
        /// The track.
        track: TrackSid,
        /// It may.
        allowed: bool,
    },
    /// A track cannot be subscribed to.
    SubscriptionFailed {
        /// The track.
        track: TrackSid,
        /// Whether the codec is to blame; else the track is not there.
        codec: bool,
    },
    /// The outcome of a request.
    RequestResponse {
        /// The request's number.
        request_id: u32,
        /// The outcome.
        outcome: Outcome,
        /// A text for people.
        message: String,
        /// The request.
        about: About,
    },
    /// The connection needs a new token: the participant has changed, or time has passed.
    RefreshToken(Box<ParticipantInfo>),
    /// The participant is in another room now (`RoomMovedResponse`); its client needs a token for it.
    Moved(Box<Joined>),
    /// The session is over; the connection closes after it.
    Leave {
        /// Why.
        reason: DisconnectReason,
        /// What to do next.
        action: LeaveAction,
    },
}

/// LiveKit's `JoinResponse`, as far as it depends on the room.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Joined {
    /// The room.
    pub room: RoomInfo,
    /// The client itself.
    pub participant: ParticipantInfo,
    /// Everybody else it may see.
    pub others: Vec<ParticipantInfo>,
    /// Whether the subscriber connection is the primary one (`/rtc` alone).
    pub subscriber_primary: bool,
}

/// How a client's media is carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transports {
    /// `/rtc/v1`: one connection; the client offers.
    #[default]
    Single,
    /// `/rtc`: the client offers to publish, the server to be subscribed to.
    Dual,
}

/// A client asks to join, or to go on with a session whose WebSocket was cut.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Connect {
    /// The room's name.
    pub room: String,
    /// Who.
    pub join: crate::Join,
    /// Applied if the room is new.
    pub settings: crate::RoomSettings,
    /// One connection or two.
    pub transports: Transports,
    /// Whether it hears everybody without asking.
    pub auto_subscribe: bool,
    /// Tracks to be published, handled before the offer.
    pub add_tracks: Vec<AddTrack>,
    /// The first offer, if it came along.
    pub offer: Option<Description>,
    /// The session to go on with.
    pub resume: Option<ParticipantSid>,
    /// Of a participant that was moved here: the place that is kept for it, by its new sid.
    pub place: Option<ParticipantSid>,
    /// What the resuming client holds, if it came along.
    pub sync: Option<SyncState>,
}
