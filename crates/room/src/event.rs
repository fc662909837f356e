//! What happened in a room.

use crate::{ParticipantInfo, RoomInfo, TrackInfo, worker::AgentRequest};
use trunkline_types::RoomSid;

/// Something happened; values are as they were at that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are whom it happened to")]
pub enum Event {
    /// A room came to be; these agents are to be dispatched.
    RoomStarted { room: RoomInfo, agents: Vec<AgentRequest> },
    /// A participant became ACTIVE.
    ParticipantJoined { room: RoomInfo, participant: ParticipantInfo },
    /// Name, metadata, permission or these attributes changed.
    ParticipantUpdated { room: RoomSid, room_name: String, participant: ParticipantInfo, changed: Vec<String> },
    /// A participant left, with its final attributes and the reason; whether it was ever ACTIVE.
    ParticipantLeft { room: RoomInfo, participant: ParticipantInfo, was_active: bool },
    /// A track can be heard.
    TrackPublished { room: RoomInfo, participant: ParticipantInfo, track: TrackInfo },
    /// A track was muted or unmuted, or what is said of it has changed.
    TrackUpdated { room: RoomInfo, participant: ParticipantInfo, track: TrackInfo },
    /// A track is gone.
    TrackUnpublished { room: RoomInfo, participant: ParticipantInfo, track: TrackInfo },
    /// The room's metadata or limits changed.
    RoomUpdated { room: RoomInfo },
    /// Somebody sent data to everybody else; `from` is empty for the server.
    Data { room: RoomSid, room_name: String, from: String, packet: Packet },
    /// The room is gone; everybody has left before.
    RoomFinished { room: RoomInfo },
}

/// Data for the members of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// LiveKit's `SipDTMF`.
    SipDtmf {
        /// The RFC 4733 event code.
        code: u32,
        /// One or more digits.
        digit: String,
    },
    /// LiveKit's `UserPacket`.
    User {
        /// The topic.
        topic: String,
        /// The bytes.
        payload: Vec<u8>,
    },
}
