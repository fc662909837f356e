//! WebRTC peers as the control plane and the media threads speak of them.

use bytes::Bytes;
use std::time::Duration;
use trunkline_types::{ParticipantSid, RoomSid, TrackSid, VoiceCodec};

/// Which connection of a participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The one the client offers on: the only one (`/rtc/v1`), or the one it publishes on (`/rtc`).
    Publisher,
    /// The one we offer on (`/rtc`): what the client hears and sees.
    Subscriber,
}

/// A connection of a participant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerKey {
    /// Whose.
    pub participant: ParticipantSid,
    /// Which.
    pub side: Side,
}

/// Audio or video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum PeerMedia {
    Audio,
    Video,
}

/// A track for a section of an offer of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// The track.
    pub track: TrackSid,
    /// Audio or video.
    pub media: PeerMedia,
}

/// Where a track's media comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrackOrigin {
    /// A section of a peer's publisher connection.
    Peer {
        /// The connection.
        peer: PeerKey,
        /// The section.
        mid: String,
        /// Audio or video.
        media: PeerMedia,
    },
    /// The caller's voice.
    Leg(super::LegKey),
    /// A built-in participant.
    Builtin(ParticipantSid),
}

/// How a track has arrived since the last report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reception {
    /// Packets its publisher has sent, as their numbers tell.
    pub expected: u64,
    /// Packets that have come; never more than expected.
    pub received: u64,
    /// How unevenly they came (RFC 3550 section 6.4.1).
    pub jitter: Duration,
}

/// What a media thread shall do for WebRTC peers.
#[derive(Clone, Debug)]
pub enum PeerPlan {
    /// The client's offer, to be answered by [`PeerFact::Answered`] or [`PeerFact::Failed`]. The
    /// first one of a connection creates it.
    Offer {
        /// The connection.
        peer: PeerKey,
        /// The room whose thread carries it.
        room: RoomSid,
        /// What the room speaks.
        codec: VoiceCodec,
        /// The SDP.
        sdp: String,
        /// The offer's number.
        id: u32,
        /// Sections that get a new SSRC before.
        renew: Vec<String>,
    },
    /// Make an offer with these new tracks, some in sections of tracks that are gone, and without those sections: [`PeerFact::Offered`] or
    /// [`PeerFact::Failed`]. The first one creates the connection with data channels. Not again
    /// before the answer is in.
    MakeOffer {
        /// The connection.
        peer: PeerKey,
        /// The room whose thread carries it.
        room: RoomSid,
        /// What the room speaks.
        codec: VoiceCodec,
        /// Tracks that get a section.
        add: Vec<Offered>,
        /// Sections that carry nothing any more.
        remove: Vec<String>,
        /// New ICE credentials: the client resumes.
        restart_ice: bool,
    },
    /// The client's answer to our offer.
    Answer {
        /// The connection.
        peer: PeerKey,
        /// The SDP.
        sdp: String,
    },
    /// A track of this room can be forwarded from now on. A track that is known is moved to its
    /// new origin.
    Publish {
        /// The room.
        room: RoomSid,
        /// The track.
        track: TrackSid,
        /// Where its media comes from.
        origin: TrackOrigin,
    },
    /// A track is gone, with all its subscriptions.
    Unpublish {
        /// The room.
        room: RoomSid,
        /// The track.
        track: TrackSid,
    },
    /// A muted track is neither heard on the phone nor counted as speaking.
    MuteTrack {
        /// The room.
        room: RoomSid,
        /// The track.
        track: TrackSid,
        /// Muted.
        muted: bool,
    },
    /// Forward a track to a section, which may have carried another one before.
    Subscribe {
        /// The subscriber's connection.
        peer: PeerKey,
        /// The section.
        mid: String,
        /// The track.
        track: TrackSid,
    },
    /// The section carries nothing from now on.
    Unsubscribe {
        /// The subscriber's connection.
        peer: PeerKey,
        /// The section.
        mid: String,
    },
    /// Send a data packet to these participants of the room.
    SendData {
        /// The room.
        room: RoomSid,
        /// To whom.
        to: Vec<ParticipantSid>,
        /// Over the reliable channel, or the lossy one.
        reliable: bool,
        /// A whole LiveKit `DataPacket`.
        payload: Bytes,
    },
    /// Close all connections of the participant.
    Close {
        /// The participant.
        participant: ParticipantSid,
    },
}

/// What a media thread tells of WebRTC peers.
#[derive(Clone, Debug)]
pub enum PeerFact {
    /// The answer to the client's offer, as the WebRTC stack made it.
    Answered {
        /// The connection.
        peer: PeerKey,
        /// The SDP.
        sdp: String,
        /// The offer's number.
        id: u32,
    },
    /// An offer of ours, as the WebRTC stack made it.
    Offered {
        /// The connection.
        peer: PeerKey,
        /// The SDP.
        sdp: String,
        /// The section of each new track.
        sections: Vec<(TrackSid, String)>,
    },
    /// What the client sent cannot be worked with.
    Failed {
        /// The connection.
        peer: PeerKey,
        /// Why, for the operator.
        why: String,
    },
    /// ICE and DTLS are up.
    Connected {
        /// The connection.
        peer: PeerKey,
    },
    /// Nothing has come for a while; it may come back.
    Lost {
        /// The connection.
        peer: PeerKey,
    },
    /// The client has closed it. Clients do that when they leave, a moment before they say so.
    Closed {
        /// The connection.
        peer: PeerKey,
    },
    /// Data for the participant can be sent from now on.
    DataOpen {
        /// The participant.
        participant: ParticipantSid,
        /// On which connection.
        side: Side,
        /// The reliable channel, or the lossy one.
        reliable: bool,
    },
    /// A data packet came.
    Data {
        /// From whom.
        participant: ParticipantSid,
        /// Over which channel.
        reliable: bool,
        /// The bytes.
        payload: Bytes,
    },
    /// The participant does not read what is sent to it.
    Stuck {
        /// The participant.
        participant: ParticipantSid,
    },
    /// A fault while the peer was handled; its connection is gone.
    Faulted {
        /// The connection.
        peer: PeerKey,
    },
    /// How the tracks of a room's WebRTC publishers have arrived; told every five seconds while
    /// anybody is connected.
    Received {
        /// The room.
        room: RoomSid,
        /// The tracks.
        tracks: Vec<(TrackSid, Reception)>,
    },
    /// Who speaks in a room, the loudest first, and how loud: 0 to 1.
    Speaking {
        /// The room.
        room: RoomSid,
        /// The tracks.
        levels: Vec<(TrackSid, f32)>,
    },
}
