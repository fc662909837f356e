//! Everything that goes into the exchange and everything that comes out of it.

pub use crate::command::ConnectionId;
use crate::command::{ApiError, Command, OptionsKey, Reply, RequestId};
use std::net::SocketAddr;
use trunkline_call::{
    media::{MediaFact, MediaPlan},
    record::{CallRecord, LadderEntry},
};
use trunkline_room::{
    ParticipantInfo, RoomInfo, TrackInfo, signal,
    worker::{self, Job},
};
use trunkline_routing::record::{DispatchRule, InboundTrunk, Options, OutboundTrunk};
use trunkline_sip::{
    flow::{Flow, Received, Transmit},
    locate,
};
use trunkline_types::{CallId, RuleId, Time, TrunkId};

/// A write that the exchange waits for; numbered by the exchange.
pub type RecordId = u64;

/// A question to the DNS; numbered by the exchange.
pub type QueryId = u64;

/// What happened outside.
#[derive(Debug)]
pub enum Input {
    /// A SIP message arrived.
    Sip(Box<Received>),
    /// A stream connection is gone, or a send on it failed; and why, in words for the operator.
    Closed(Flow, &'static str),
    /// An API request.
    Api(RequestId, Box<Command>),
    /// Whoever put this request has gone and will not read its reply.
    Abandoned(RequestId),
    /// A client says something. Its connection was announced by [`Command::Connect`].
    Signal(ConnectionId, Box<signal::Request>),
    /// A signalling connection is gone: closed by its client, or it does not read.
    SignalClosed(ConnectionId),
    /// A worker says something. Its socket is known from its registration on.
    Worker(ConnectionId, Box<worker::Request>),
    /// A worker's socket is gone.
    WorkerClosed(ConnectionId),
    /// A media thread reports.
    Media(MediaFact),
    /// A write is durable, or failed with this text.
    Stored(RecordId, Result<(), String>),
    /// What the DNS says, or why it says nothing.
    Resolved(QueryId, Result<locate::Records, String>),
    /// The time of [`Exchange::poll_timeout`](crate::Exchange::poll_timeout) has come.
    Tick,
    /// Stop taking calls; end what still runs at the given time.
    Drain(Time),
}

/// What the shell shall do.
#[derive(Debug)]
pub enum Output {
    /// Put a message on the wire.
    Send(Transmit),
    /// Ask the DNS and answer with [`Input::Resolved`].
    Resolve(QueryId, locate::Query),
    /// TLS connections of ours to this address, from now on, lead to whoever has a certificate for
    /// this host, and show the certificate of this name.
    Expect {
        /// Where.
        remote: SocketAddr,
        /// The host, or the address in text.
        host: String,
        /// The name of our certificate (`tls.client_certs`), if we show one.
        certificate: Option<String>,
    },
    /// Tell the media threads.
    Media(MediaPlan),
    /// Tell a client something.
    Signal(ConnectionId, Box<signal::Response>),
    /// Close a signalling connection once everything before is written.
    HangUp(ConnectionId),
    /// Tell a worker something.
    Worker(ConnectionId, Box<worker::Response>),
    /// Close a worker's socket once everything before is written.
    WorkerHangUp(ConnectionId),
    /// Answer an API request.
    Reply(RequestId, Result<Reply, ApiError>),
    /// Write durably and answer with [`Input::Stored`].
    Persist(RecordId, Box<Record>),
    /// Post a webhook; those of one room in order.
    Notify(Box<Webhook>),
    /// Append to a call's ladder; may be shed.
    Trace(CallId, Box<LadderEntry>),
    /// A line for the log.
    Log(LogLine),
    /// The drain is done: no call is left.
    Drained,
}

/// A record to write.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the variants name the record")]
pub enum Record {
    PutInboundTrunk(InboundTrunk),
    PutOutboundTrunk(OutboundTrunk),
    DeleteTrunk(TrunkId),
    PutRule(DispatchRule),
    DeleteRule(RuleId),
    PutOptions(OptionsKey, Options),
    PutCall(CallRecord),
}

/// A webhook event, before it is signed. Room and participant are as they were at that moment.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// `room_started`, `participant_joined`, `participant_left`, `room_finished`,
    /// `track_published`, `track_unpublished`, `participant_connection_aborted`,
    /// `agent_job_started`, `agent_job_ended`,
    /// `sip_call_ringing`, `sip_call_answered`, `sip_call_ended`,
    /// `sip_transfer_started`, `sip_transfer_ended`.
    pub event: &'static str,
    /// When.
    pub at: Time,
    /// The room.
    pub room: Option<RoomInfo>,
    /// The participant.
    pub participant: Option<ParticipantInfo>,
    /// The track.
    pub track: Option<TrackInfo>,
    /// The call, for the events of our own.
    pub call: Option<CallRecord>,
    /// The job of an agent.
    pub job: Option<Box<Job>>,
}

/// How loud a [`LogLine`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the usual levels")]
pub enum Level {
    Info,
    Warn,
    Error,
}

/// A fact for the log. The text holds no number, address or header value.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// How loud.
    pub level: Level,
    /// The call, if there is one.
    pub call: Option<CallId>,
    /// The text.
    pub text: String,
}
