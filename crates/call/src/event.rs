//! What can happen to a call.

use crate::{
    Setup,
    dial::DialEvent,
    media::MediaFact,
    session_timer::TimerHeaders,
    transfer::{Notified, TransferOrder},
};
use bytes::Bytes;
use std::{collections::BTreeMap, net::SocketAddr, time::Duration};
use trunkline_sip::RequestId;
use trunkline_types::{DisconnectReason, ParticipantSid, Pii, RoomSid};

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
    Cancelled {
        /// The `Reason` header (RFC 3326) of the CANCEL.
        reason: Option<String>,
    },
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
        /// What it says about session timers.
        timer: TimerHeaders,
    },
    /// The far end sent UPDATE (RFC 3311).
    UpdateReceived {
        /// To be answered with [`SipCommand::Respond`](crate::SipCommand::Respond).
        request: RequestId,
        /// Its offer.
        sdp: Option<Bytes>,
        /// What it says about session timers.
        timer: TimerHeaders,
    },
    /// The far end sent REFER: it wants us to call somebody.
    ReferReceived {
        /// To be answered with [`SipCommand::Respond`](crate::SipCommand::Respond).
        request: RequestId,
        /// The number of its CSeq.
        cseq: u32,
        /// The URI of Refer-To.
        target: Pii<String>,
    },
    /// Our re-INVITE was answered with 2xx: an ACK is due.
    ReinviteAnswered {
        /// Its answer.
        sdp: Option<Bytes>,
        /// What it says about session timers.
        timer: TimerHeaders,
    },
    /// Our re-INVITE was refused, or could not be sent for another one is under way (491).
    ReinviteRefused {
        /// 300–699.
        status: u16,
        /// The reason phrase.
        reason: String,
        /// How long to wait if it met one of the far end's.
        wait: Duration,
    },
    /// Our UPDATE was answered, or was not within 64·T1 (408).
    UpdateAnswered {
        /// 200–699.
        status: u16,
        /// What it says about session timers.
        timer: TimerHeaders,
    },
    /// Our REFER was answered.
    ReferAnswered {
        /// 200–699.
        status: u16,
        /// The reason phrase.
        reason: String,
        /// NOTIFYs will come; not so with `Refer-Sub: false` (RFC 4488).
        subscribed: bool,
    },
    /// Our REFER was never answered.
    ReferFailed {
        /// Why.
        why: &'static str,
    },
    /// The far end tells how our REFER goes; the NOTIFY is answered already.
    ReferNotified(Notified),
    /// The caller is to be moved on.
    TransferRequested(Box<TransferOrder>),
    /// What came of [`Effect::Bridge`](crate::Effect::Bridge): a status, if the target gave one, and a text.
    Bridged(Result<(), (Option<(u16, String)>, String)>),
    /// The far end is to be put on hold, or back.
    HoldRequested(bool),
    /// What came of [`Effect::CheckPin`](crate::Effect::CheckPin): where the caller goes now.
    PinChecked(Option<Box<Setup>>),
    /// Another call has taken this one's place (RFC 3891) and its participant.
    Replaced,
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
    /// We are in another room now, as the same participant.
    Moved {
        /// From here.
        from: RoomSid,
        /// The room.
        room: RoomSid,
        /// Its name.
        room_name: String,
        /// The identity there.
        identity: String,
    },
    /// We were taken out.
    Removed(DisconnectReason),
}
