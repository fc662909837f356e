//! What can happen to a call.

use crate::{dial::DialEvent, media::MediaFact};
use bytes::Bytes;
use std::{collections::BTreeMap, net::SocketAddr};
use trunkline_types::{DisconnectReason, ParticipantSid, RoomSid};

/// Something happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The room has something to tell.
    Room(RoomEvent),
    /// A media thread has something to tell about this call's leg.
    Media(MediaFact),
    /// Something about our INVITE, of a call out.
    Dial(DialEvent),
    /// The far end cancelled the INVITE; CANCEL and INVITE are answered already.
    Cancelled,
    /// The far end acknowledged our 200; `sdp` is its answer to an offer of ours.
    Acked {
        /// The body of the ACK.
        sdp: Option<Bytes>,
    },
    /// 64·T1 passed without an ACK to our 200.
    NeverAcked,
    /// The far end sent BYE.
    ByeReceived {
        /// Its `Reason` header (RFC 3326).
        reason: Option<String>,
    },
    /// The far end sent a re-INVITE.
    ReinviteReceived {
        /// Its offer.
        sdp: Option<Bytes>,
        /// Where it came from.
        source: SocketAddr,
    },
    /// Our BYE was answered.
    ByeAnswered {
        /// With this status.
        status: u16,
    },
    /// Our BYE was never answered.
    ByeFailed {
        /// Why.
        why: &'static str,
    },
    /// The record that was to be written is durable, or could not be written.
    Stored(Result<(), String>),
    /// The time of [`Call::poll_timeout`](crate::Call::poll_timeout) has come.
    TimedOut,
    /// The server stops: end now.
    ShutDown,
}

/// What a room tells the call; the embedded and a remote room alike.
#[derive(Clone, Debug)]
pub enum RoomEvent {
    /// We are in.
    Joined {
        /// The room.
        room: RoomSid,
        /// We.
        participant: ParticipantSid,
        /// The identity, which differs from the wish if it was taken.
        identity: String,
    },
    /// We could not get in.
    JoinFailed {
        /// Why, for the operator.
        why: String,
    },
    /// Somebody set our attributes; all of them as they are now.
    AttributesChanged(BTreeMap<String, String>),
    /// We have subscribed to somebody's audio.
    AudioSubscribed,
    /// Somebody sent digits to be dialled.
    DtmfSent {
        /// The digits.
        digits: String,
    },
    /// An agent is in the room.
    AgentJoined,
    /// The last agent has left the room.
    AgentLeft,
    /// Why no agent has come yet; empty when none is waited for any more.
    AgentAwaited {
        /// For the operator.
        why: String,
    },
    /// Somebody in the room ends the call (`lk.sip.EndCall`).
    EndRequested {
        /// Headers for the BYE or the refusal, validated.
        headers: Vec<(String, String)>,
    },
    /// We were taken out.
    Removed(DisconnectReason),
}
