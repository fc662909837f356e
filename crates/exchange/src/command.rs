//! What an API client can ask of the exchange, and what it is told.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};
pub use trunkline_call::media::timings::{Stage, Timings};
pub use trunkline_call::record::{CallRecord, LadderEntry};
pub use trunkline_call::transfer::TransferOutcome;
use trunkline_room::{
    ParticipantInfo, ParticipantPatch, RoomInfo, RoomSettings, TrackInfo,
    signal::Connect,
    worker::{AgentRequest, DispatchInfo, WorkerInfo},
};
use trunkline_routing::{
    CallFacts, Explanation,
    dial::Dial,
    patch::{DispatchRulePatch, InboundTrunkPatch, ListFilter, OutboundTrunkPatch, Update},
    record::{DispatchRule, InboundTrunk, MediaConfig, Options, OutboundTrunk},
};
use trunkline_types::{CallId, DispatchId, ParticipantSid, RuleId, TrackSid, TrunkId};

/// An API request whose caller waits for the [`Reply`]. Numbers are drawn by the shell.
pub type RequestId = u64;

/// A signalling connection, or the socket of an agents' worker; each kind is numbered by its shell.
pub type ConnectionId = u64;

/// Whose options.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptionsKey {
    /// A trunk's.
    Trunk(TrunkId),
    /// A rule's.
    Rule(RuleId),
}

/// A request.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is the LiveKit method of the same name")]
pub enum Command {
    CreateInboundTrunk(Box<InboundTrunk>),
    UpdateInboundTrunk(TrunkId, Update<InboundTrunk, InboundTrunkPatch>),
    GetInboundTrunk(TrunkId),
    ListInboundTrunks(ListFilter),
    CreateOutboundTrunk(Box<OutboundTrunk>),
    UpdateOutboundTrunk(TrunkId, Update<OutboundTrunk, OutboundTrunkPatch>),
    GetOutboundTrunk(TrunkId),
    ListOutboundTrunks(ListFilter),
    DeleteTrunk(TrunkId),
    CreateRule(Box<DispatchRule>),
    UpdateRule(RuleId, Update<DispatchRule, DispatchRulePatch>),
    ListRules(ListFilter),
    DeleteRule(RuleId),
    GetOptions(OptionsKey),
    SetOptions(OptionsKey, Options),
    CreateRoom(String, RoomSettings),
    ListRooms(Vec<String>),
    DeleteRoom(String),
    ListParticipants(String),
    GetParticipant {
        room: String,
        identity: String,
    },
    RemoveParticipant {
        room: String,
        identity: String,
    },
    UpdateParticipant {
        room: String,
        identity: String,
        patch: ParticipantPatch,
    },
    UpdateRoomMetadata {
        room: String,
        metadata: String,
    },
    MutePublishedTrack {
        room: String,
        identity: String,
        track: TrackSid,
        muted: bool,
    },
    UpdateSubscriptions {
        room: String,
        identity: String,
        tracks: Vec<TrackSid>,
        subscribe: bool,
    },
    SendData {
        room: String,
        reliable: bool,
        /// A `DataPacket` with its `user` value alone.
        packet: Bytes,
        destinations: Vec<String>,
        destination_sids: Vec<ParticipantSid>,
    },
    /// `PerformRpc`: answered by [`Reply::Rpc`] when the participant answers.
    PerformRpc {
        room: String,
        identity: String,
        method: String,
        payload: String,
        /// 0 for ten seconds.
        response_timeout_ms: u32,
    },
    /// A client opens a signalling connection of this number: `/rtc` or `/rtc/v1`. Answered by
    /// [`Reply::Done`] before anything is sent over it, or by an error: then there is none.
    Connect(ConnectionId, Box<Connect>),
    /// `CreateSIPParticipant`: answered by [`Reply::SipParticipant`].
    CreateSipParticipant(Box<DialRequest>),
    /// `TransferSIPParticipant`: answered by [`Reply::Transfer`] when it is decided.
    TransferSipParticipant(Box<TransferRequest>),
    /// `MoveParticipant`, of telephones and of clients.
    MoveParticipant {
        room: String,
        identity: String,
        destination: String,
    },
    /// `trunkline.Calls/Hold` and `Resume`: re-INVITE the telephone of this participant.
    Hold {
        room: String,
        identity: String,
        hold: bool,
    },
    /// Which trunk and rule a call would take, and why not the others.
    Explain(CallFacts),
    /// `CreateDispatch`: an agent shall come into the room.
    CreateDispatch {
        room: String,
        agent: Box<AgentRequest>,
    },
    /// `DeleteDispatch`.
    DeleteDispatch {
        room: String,
        dispatch: DispatchId,
    },
    /// `ListDispatch`: of one room or of all, one dispatch or all.
    ListDispatches {
        room: Option<String>,
        dispatch: Option<DispatchId>,
    },
    /// The workers that are registered.
    ListWorkers,
    /// The running calls.
    LiveCalls,
    /// The numbers behind `/metrics`.
    Gauges,
}

/// LiveKit's `CreateSIPParticipantRequest`, checked as far as it can be without trunks.
#[derive(Clone, Debug)]
pub struct DialRequest {
    /// Whom to call, through which trunk, from which number.
    pub dial: Dial,
    /// The room.
    pub room_name: String,
    /// The identity; empty for `sip_<number called>`.
    pub identity: String,
    /// The name.
    pub name: String,
    /// The metadata.
    pub metadata: String,
    /// Attributes beside those of the call.
    pub attributes: BTreeMap<String, String>,
    /// Digits to send once the call is answered; `w` is a pause of half a second.
    pub dtmf: String,
    /// The room hears a ringing tone until the far end is heard.
    pub play_dialtone: bool,
    /// No number in attributes, records and the name.
    pub hide_phone_number: bool,
    /// How long to ring; `None` for three minutes.
    pub ringing_timeout: Option<Duration>,
    /// How long the call may last; `None` for the configuration's.
    pub max_call_duration: Option<Duration>,
    /// Media, over the trunk's.
    pub media: Option<MediaConfig>,
    /// Answer when the call is answered and its digits are sent, or has failed.
    pub wait_until_answered: bool,
}

/// LiveKit's `TransferSIPParticipantRequest`.
#[derive(Clone, Debug)]
pub struct TransferRequest {
    /// The room.
    pub room: String,
    /// The participant.
    pub identity: String,
    /// The URI of Refer-To, byte for byte, without angle brackets.
    pub target: String,
    /// Headers of the REFER, over mapped attributes.
    pub headers: BTreeMap<String, String>,
    /// The caller hears a ringing tone until it is decided.
    pub play_dialtone: bool,
    /// How long it may take; `None` for 30 s.
    pub timeout: Option<Duration>,
}

/// LiveKit's `SIPParticipantInfo`.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "LiveKit's names")]
pub struct SipParticipant {
    pub participant: ParticipantSid,
    pub identity: String,
    pub room_name: String,
    pub call: CallId,
}

/// LiveKit's `TransferSIPParticipantResponse`.
#[derive(Clone, Debug)]
pub struct TransferReply {
    /// `STR_…`.
    pub transfer: String,
    /// How it went.
    pub outcome: TransferOutcome,
    /// What the far end said last, if it said anything.
    pub sip_status: Option<SipStatus>,
}

/// A SIP status with its text, as LiveKit's `SIPStatus`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SipStatus {
    /// 100 to 699.
    pub code: u16,
    /// The reason phrase, or a better text of the far end's.
    pub text: String,
}

/// Figures of the running machine.
#[derive(Clone, Debug, Default, Serialize)]
#[expect(missing_docs, reason = "the names say it; see the /metrics page for the help texts")]
pub struct Gauges {
    pub calls_active: u64,
    pub rooms: u64,
    pub participants: u64,
    pub invites_raw: u64,
    pub invites: u64,
    pub invites_accepted: u64,
    /// By termination reason.
    pub invite_errors: BTreeMap<String, u64>,
    /// By end reason.
    pub calls_terminated: BTreeMap<String, u64>,
    pub dials: u64,
    pub dials_answered: u64,
    /// By end reason, and `refused` for what was not begun.
    pub dial_errors: BTreeMap<String, u64>,
    /// By registering trunk, whether it is registered.
    pub registrations: BTreeMap<String, bool>,
    pub call_panics: u64,
    /// Wrong passwords of callers.
    pub digest_failures: u64,
    /// Bans for them, so far.
    pub bans: u64,
    pub draining: bool,
    pub agent_workers: u64,
    pub agent_jobs: u64,
    /// By media thread, the share of its time that it is busy.
    pub media_busy: BTreeMap<usize, f32>,
    /// By media thread, datagrams that the kernel has dropped.
    pub media_dropped: BTreeMap<usize, u64>,
    /// The media threads have no room for another call.
    pub media_full: bool,
    /// The time for which media threads that were late have encoded at the least complexity.
    pub media_spared: Duration,
    /// The time for which media threads with too much to do have left out audio.
    pub media_left_out: Duration,
    /// Of all media threads.
    #[serde(skip)]
    pub timings: Box<Timings>,
}

/// What was asked for.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is what the command of that name answers")]
pub enum Reply {
    InboundTrunk(Box<InboundTrunk>),
    InboundTrunks(Vec<InboundTrunk>),
    OutboundTrunk(Box<OutboundTrunk>),
    OutboundTrunks(Vec<OutboundTrunk>),
    /// `DeleteSIPTrunk` answers a record that holds the id alone.
    Deleted(TrunkId),
    Rule(Box<DispatchRule>),
    Rules(Vec<DispatchRule>),
    Options(Options),
    Room(RoomInfo),
    Rooms(Vec<RoomInfo>),
    Participant(ParticipantInfo),
    Participants(Vec<ParticipantInfo>),
    Track(Box<TrackInfo>),
    /// The payload of an RPC's response.
    Rpc(String),
    Explanation(Box<Explanation>),
    SipParticipant(Box<SipParticipant>),
    Transfer(Box<TransferReply>),
    Dispatch(Box<DispatchInfo>),
    Dispatches(Vec<DispatchInfo>),
    Workers(Vec<WorkerInfo>),
    Calls(Vec<CallRecord>),
    Gauges(Box<Gauges>),
    Done,
}

/// Twirp's error codes, as far as the exchange gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are Twirp's")]
pub enum Code {
    InvalidArgument,
    NotFound,
    PermissionDenied,
    DeadlineExceeded,
    AlreadyExists,
    FailedPrecondition,
    ResourceExhausted,
    Unimplemented,
    Unauthenticated,
    OutOfRange,
    Aborted,
    Canceled,
    Unknown,
    Unavailable,
    Internal,
}

/// Why a request failed: a Twirp code and a text that names the culprit and the cure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The code.
    pub code: Code,
    /// The text.
    pub message: String,
    /// What the far end of a call said, for `sip_status_code` and `sip_status` in the meta.
    pub sip_status: Option<Box<SipStatus>>,
    /// Of a transfer that failed, its `STR_…` and how it went, for `sip_transfer_id` and
    /// `sip_transfer_reason` in the meta.
    pub transfer: Option<Box<(String, TransferOutcome)>>,
}

impl ApiError {
    /// An error that no far end brought about.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), sip_status: None, transfer: None }
    }
}
