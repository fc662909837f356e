//! Trunks, dispatch rules and our own options, as they are stored: every field of LiveKit's
//! records, and nothing interpreted that LiveKit does not interpret.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};
pub use trunkline_types::policy::{AgentLeft, AnswerPolicy, CallControl, IncludeHeaders};
use trunkline_types::{RuleId, TrunkId, VoiceCodec};

/// LiveKit's `SIPMediaEncryption`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MediaEncryption {
    /// Plain RTP.
    #[default]
    SipMediaEncryptDisable,
    /// SRTP when the peer offers it.
    SipMediaEncryptAllow,
    /// SRTP or no call.
    SipMediaEncryptRequire,
}

/// A codec of `SIPMediaConfig`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MediaCodec {
    /// Its name, without white space or `/`.
    pub name: String,
    /// Its clock rate; 0 for the usual one.
    pub rate: u32,
}

/// LiveKit's `SIPMediaConfig`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MediaConfig {
    /// Use the listed codecs and no other.
    pub only_listed_codecs: bool,
    /// Codecs.
    pub codecs: Vec<MediaCodec>,
    /// Encryption, if stated.
    pub encryption: Option<MediaEncryption>,
    /// At most 10 min; `None` or zero for the default.
    pub media_timeout: Option<Duration>,
}

/// LiveKit's `SIPInboundTrunkInfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InboundTrunk {
    /// `ST_…`, empty until stored.
    pub id: TrunkId,
    /// A name for people.
    pub name: String,
    /// Free text, never interpreted.
    pub metadata: String,
    /// Numbers called; empty for any.
    pub numbers: Vec<String>,
    /// Source addresses, networks (CIDR) or host names; empty for any.
    pub allowed_addresses: Vec<String>,
    /// Callers; empty for any.
    pub allowed_numbers: Vec<String>,
    /// Digest user; with a password or not at all.
    pub auth_username: String,
    /// Digest password.
    pub auth_password: String,
    /// Digest realm; empty for `trunkline`.
    pub auth_realm: String,
    /// Headers of the 200 OK.
    pub headers: BTreeMap<String, String>,
    /// Header name → attribute name.
    pub headers_to_attributes: BTreeMap<String, String>,
    /// Attribute name → header name.
    pub attributes_to_headers: BTreeMap<String, String>,
    /// Which headers become `sip.h.*`.
    pub include_headers: IncludeHeaders,
    /// How long to ring; `None` or zero for 3 min.
    pub ringing_timeout: Option<Duration>,
    /// The SIP status of a call that nobody took in time; 0 for the default.
    pub ringing_timeout_status: u16,
    /// How long a call may last; `None` or zero for 24 h.
    pub max_call_duration: Option<Duration>,
    /// Accepted and ignored.
    pub krisp_enabled: bool,
    /// The deprecated field, folded into `media`.
    pub media_encryption: MediaEncryption,
    /// Media, if stated.
    pub media: Option<MediaConfig>,
    /// Unix milliseconds.
    pub created_at_ms: i64,
    /// Unix milliseconds.
    pub updated_at_ms: i64,
}

/// LiveKit's `SIPOutboundTrunkInfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutboundTrunk {
    /// `ST_…`, empty until stored.
    pub id: TrunkId,
    /// A name for people.
    pub name: String,
    /// Free text, never interpreted.
    pub metadata: String,
    /// `host[:port]`.
    pub address: String,
    /// ISO 3166-1 alpha-2.
    pub destination_country: String,
    /// LiveKit's `SIPTransport` number: 0 auto, 1 UDP, 2 TCP, 3 TLS.
    pub transport: i32,
    /// Numbers calls originate from.
    pub numbers: Vec<String>,
    /// Digest user.
    pub auth_username: String,
    /// Digest password.
    pub auth_password: String,
    /// Headers of the INVITE.
    pub headers: BTreeMap<String, String>,
    /// Header name → attribute name.
    pub headers_to_attributes: BTreeMap<String, String>,
    /// Attribute name → header name.
    pub attributes_to_headers: BTreeMap<String, String>,
    /// Which headers become `sip.h.*`.
    pub include_headers: IncludeHeaders,
    /// Host of the From URI.
    pub from_host: String,
    /// The deprecated field, folded into `media`.
    pub media_encryption: MediaEncryption,
    /// Media, if stated.
    pub media: Option<MediaConfig>,
    /// Unix milliseconds.
    pub created_at_ms: i64,
    /// Unix milliseconds.
    pub updated_at_ms: i64,
}

/// The `rule` of a dispatch rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// All callers into one room.
    Direct {
        /// The room.
        room_name: String,
        /// Digits the caller must enter; empty for none.
        pin: String,
    },
    /// A room per caller.
    Individual {
        /// What the room's name begins with.
        room_prefix: String,
        /// Digits the caller must enter; empty for none.
        pin: String,
        /// Leave the random suffix away.
        no_randomness: bool,
    },
    /// A room per number called.
    Callee {
        /// What the room's name begins with.
        room_prefix: String,
        /// Digits the caller must enter; empty for none.
        pin: String,
        /// Add a random suffix.
        randomize: bool,
    },
}

impl Rule {
    /// The pin, empty for none.
    pub fn pin(&self) -> &str {
        match self {
            Self::Direct { pin, .. } | Self::Individual { pin, .. } | Self::Callee { pin, .. } => pin,
        }
    }
}

/// LiveKit's `RoomAgentDispatch`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentDispatch {
    /// Whom to dispatch.
    pub agent_name: String,
    /// Handed to the agent.
    pub metadata: String,
    /// The deployment its workers register with; mostly empty.
    pub deployment: String,
    /// Handed to the agent.
    pub attributes: BTreeMap<String, String>,
    /// A job of it that fails is not given to another worker.
    pub never_restart: bool,
}

/// The fields of LiveKit's `RoomConfiguration` that a room without WebRTC uses; the whole message
/// is kept beside them in [`DispatchRule::room_config_proto`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoomConfig {
    /// A name for the configuration.
    pub name: String,
    /// Seconds an untouched room stays; 0 for the default.
    pub empty_timeout: u32,
    /// Seconds a room stays after the last one left; 0 for the default.
    pub departure_timeout: u32,
    /// 0 for no limit.
    pub max_participants: u32,
    /// The room's metadata.
    pub metadata: String,
    /// Agents to dispatch when the room is first created.
    pub agents: Vec<AgentDispatch>,
}

/// LiveKit's `SIPDispatchRuleInfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DispatchRule {
    /// `SDR_…`, empty until stored.
    pub id: RuleId,
    /// A name for people.
    pub name: String,
    /// Becomes the participant's metadata.
    pub metadata: String,
    /// What to do; `None` is refused on creation.
    pub rule: Option<Rule>,
    /// Trunks it applies to; empty for any.
    pub trunk_ids: Vec<TrunkId>,
    /// Hide the caller's number everywhere.
    pub hide_phone_number: bool,
    /// Callers it applies to; empty for any.
    pub inbound_numbers: Vec<String>,
    /// Numbers called it applies to; empty for any.
    pub numbers: Vec<String>,
    /// The participant's attributes.
    pub attributes: BTreeMap<String, String>,
    /// Kept, not interpreted.
    pub room_preset: String,
    /// Applied if the call creates the room.
    pub room_config: Option<RoomConfig>,
    /// The whole `RoomConfiguration` message as it was given, protobuf.
    pub room_config_proto: Vec<u8>,
    /// Accepted and ignored.
    pub krisp_enabled: bool,
    /// The deprecated field, folded into `media`.
    pub media_encryption: MediaEncryption,
    /// Media, if stated.
    pub media: Option<MediaConfig>,
    /// Unix milliseconds.
    pub created_at_ms: i64,
    /// Unix milliseconds.
    pub updated_at_ms: i64,
}

/// Trunkline's own options of a trunk or a rule (`trunkline.Options`). `None` means: the rule's,
/// then the trunk's, then the configuration's value holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// When to answer.
    pub answer_policy: Option<AnswerPolicy>,
    /// Put mapped headers on the 200 OK to the far end's BYE.
    pub headers_on_200_to_bye: Option<bool>,
    /// The status of a call that nobody took in time; 480 by default.
    pub no_answer_status: Option<u16>,
    /// How long the room's last words may delay our BYE, milliseconds.
    pub drain_ms: Option<u32>,
    /// What a room that the call creates speaks over WebRTC.
    pub audio_codec: Option<VoiceCodec>,
    /// How long a call rings until an agent is in its room, milliseconds; then it is refused. 0 for
    /// no limit but the ringing timeout, which is the default.
    pub agent_timeout_ms: Option<u32>,
    /// What becomes of a call when the last agent has left its room; `stay` by default.
    pub agent_left: Option<AgentLeft>,
    /// How long the next agent may take to come then, milliseconds; 5,000 by default.
    pub agent_left_grace_ms: Option<u32>,
    /// Who may end a call and read its headers by RPC; `agents` by default.
    pub call_control: Option<CallControl>,
    /// The SIP URI that every request of an outbound trunk goes to first.
    pub outbound_proxy: Option<String>,
    /// A preloaded route set: values of Route, after the proxy.
    pub routes: Option<Vec<String>>,
    /// What numbers called have to begin with; `None` for any.
    pub allowed_destinations: Option<Vec<String>>,
    /// Calls a second that may be begun; `None` for any number.
    pub calls_per_second: Option<u32>,
    /// Calls at a time; `None` for any number.
    pub max_calls: Option<u32>,
    /// The trunk registers (RFC 3261 §10).
    pub register: Option<bool>,
    /// For how long, seconds; 300 by default.
    pub register_expires: Option<u32>,
    /// How many redirections (3xx) of one call are followed; none by default.
    pub follow_redirects: Option<u8>,
    /// How long a target may be silent before the next one is tried, milliseconds; 2,000 by default.
    pub next_target_after_ms: Option<u32>,
    /// OPTIONS to the trunk's targets so often, seconds; 0, the default, for only those that failed.
    pub probe_interval: Option<u32>,
    /// What to do for a transfer, one after the other; `["refer"]` by default.
    pub transfer: Option<Vec<TransferStep>>,
    /// Take a REFER of the far end; refused by default.
    pub incoming_refer: Option<bool>,
    /// A call out whose request waits for the answer is given up when its HTTP request is. Off, so
    /// that a client's own timeout ends no call: LiveKit's SDKs have short ones.
    pub cancel_with_request: Option<bool>,
    /// `Session-Expires` to ask for, seconds (RFC 4028); 0 for none; 1,800 by default.
    pub session_expires: Option<u32>,
    /// How digits are sent; `rfc4733` by default.
    pub dtmf: Option<DtmfMethod>,
    /// Play music to who is on hold; on by default.
    pub hold_music: Option<bool>,
    /// Keep the way to the trunk open with CRLF so often, seconds; 0, the default, for not at all.
    pub keepalive_interval: Option<u32>,
    /// How long a caller may think about the next digit of a pin, milliseconds; 10,000 by default.
    pub pin_timeout_ms: Option<u32>,
    /// How often a caller may enter a pin; 3 by default.
    pub pin_tries: Option<u8>,
    /// The name of the certificate (`tls.client_certs`) that is shown to the trunk.
    pub client_certificate: Option<String>,
}

impl Options {
    /// What these leave open, as `lower` has it.
    #[must_use]
    pub fn or(self, lower: Self) -> Self {
        Self {
            answer_policy: self.answer_policy.or(lower.answer_policy),
            headers_on_200_to_bye: self.headers_on_200_to_bye.or(lower.headers_on_200_to_bye),
            no_answer_status: self.no_answer_status.or(lower.no_answer_status),
            drain_ms: self.drain_ms.or(lower.drain_ms),
            audio_codec: self.audio_codec.or(lower.audio_codec),
            agent_timeout_ms: self.agent_timeout_ms.or(lower.agent_timeout_ms),
            agent_left: self.agent_left.or(lower.agent_left),
            agent_left_grace_ms: self.agent_left_grace_ms.or(lower.agent_left_grace_ms),
            call_control: self.call_control.or(lower.call_control),
            outbound_proxy: self.outbound_proxy.or(lower.outbound_proxy),
            routes: self.routes.or(lower.routes),
            allowed_destinations: self.allowed_destinations.or(lower.allowed_destinations),
            calls_per_second: self.calls_per_second.or(lower.calls_per_second),
            max_calls: self.max_calls.or(lower.max_calls),
            register: self.register.or(lower.register),
            register_expires: self.register_expires.or(lower.register_expires),
            follow_redirects: self.follow_redirects.or(lower.follow_redirects),
            next_target_after_ms: self.next_target_after_ms.or(lower.next_target_after_ms),
            probe_interval: self.probe_interval.or(lower.probe_interval),
            transfer: self.transfer.or(lower.transfer),
            incoming_refer: self.incoming_refer.or(lower.incoming_refer),
            cancel_with_request: self.cancel_with_request.or(lower.cancel_with_request),
            session_expires: self.session_expires.or(lower.session_expires),
            dtmf: self.dtmf.or(lower.dtmf),
            hold_music: self.hold_music.or(lower.hold_music),
            keepalive_interval: self.keepalive_interval.or(lower.keepalive_interval),
            pin_timeout_ms: self.pin_timeout_ms.or(lower.pin_timeout_ms),
            pin_tries: self.pin_tries.or(lower.pin_tries),
            client_certificate: self.client_certificate.or(lower.client_certificate),
        }
    }
}

/// A way to move a caller on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferStep {
    /// REFER (RFC 3515).
    Refer,
    /// We call the target, and it joins the room.
    Bridge,
    /// BYE with the mapped headers: the far end routes on.
    ByeHeaders,
    /// The call goes on with the agent, who is told.
    Agent,
}

/// How digits reach the far end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DtmfMethod {
    /// In RTP.
    #[default]
    Rfc4733,
    /// By INFO (`application/dtmf-relay`).
    Info,
}
