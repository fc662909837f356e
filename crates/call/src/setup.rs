//! What a call begins with: the INVITE and the decision routing has made about it.

use crate::{dial::Outbound, midcall::Rules, pin::Prompt, record::Explanation};
use std::{collections::BTreeMap, net::IpAddr, net::SocketAddr, time::Duration};
use trunkline_sdp::{AudioCodec, Security};
use trunkline_types::{
    CallId, RuleId, TrunkId,
    policy::{AnswerPolicy, CallControl, IncludeHeaders},
};

/// What the INVITE said. Of a call out: what ours says, and after the answer the headers of that.
#[derive(Clone, Debug)]
pub struct Invite {
    /// Call-ID.
    pub call_id: String,
    /// The tag of From.
    pub remote_tag: String,
    /// The user part of From.
    pub from: String,
    /// The user part of To.
    pub to: String,
    /// All headers, in order.
    pub headers: Vec<(String, String)>,
    /// The SDP offer, if there was one.
    pub offer: Option<bytes::Bytes>,
    /// `UDP`, `TCP` or `TLS`.
    pub transport: &'static str,
    /// Where it came from.
    pub source: SocketAddr,
}

/// Everything a call needs to know at its beginning. Mappings and headers are a snapshot: a call
/// ends under the rules it began with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The call's id, which is also our tag.
    pub call_id: CallId,
    /// The INVITE.
    pub invite: Invite,
    /// The trunk; empty without one.
    pub trunk_id: TrunkId,
    /// The rule.
    pub rule_id: RuleId,
    /// The room to join.
    pub room_name: String,
    /// The identity to join with.
    pub identity: String,
    /// The name to join with.
    pub name: String,
    /// The participant's metadata.
    pub metadata: String,
    /// The rule's attributes and those routing knows.
    pub attributes: BTreeMap<String, String>,
    /// The caller's number is to be hidden.
    pub hidden: bool,
    /// Which headers become `sip.h.*`.
    pub include_headers: IncludeHeaders,
    /// Header name → attribute name.
    pub headers_to_attributes: BTreeMap<String, String>,
    /// Attribute name → header name.
    pub attributes_to_headers: BTreeMap<String, String>,
    /// The trunk's own headers of the 200.
    pub answer_headers: BTreeMap<String, String>,
    /// When to answer.
    pub answer_policy: AnswerPolicy,
    /// How long to ring without an agent in the room; zero for as long as `ringing_timeout`.
    pub agent_timeout: Duration,
    /// After the last agent has left the call ends so much later; `None` if it stays.
    pub agent_left: Option<Duration>,
    /// Who may end the call and read its headers by RPC.
    pub call_control: CallControl,
    /// How long to ring.
    pub ringing_timeout: Duration,
    /// How long the call may last.
    pub max_call_duration: Duration,
    /// Until the first RTP packet.
    pub media_timeout_initial: Duration,
    /// Between RTP packets.
    pub media_timeout: Duration,
    /// The status when nobody takes the call.
    pub no_answer_status: u16,
    /// Mapped headers also on the 200 to the far end's BYE.
    pub headers_on_200_to_bye: bool,
    /// How long the room's last words may delay our BYE.
    pub drain: Duration,
    /// Codecs, the preferred one first.
    pub codecs: Vec<AudioCodec>,
    /// Whether media is encrypted, and our keys.
    pub security: Security,
    /// The address the RTP socket is bound to.
    pub media_local: IpAddr,
    /// The address the SDP names.
    pub media_advertised: IpAddr,
    /// What holds in the middle of the call.
    pub midcall: Rules,
    /// The caller has to enter a pin first: `room_name`, `identity` and the like are not known yet.
    pub pin: Option<Prompt>,
    /// For `o=`.
    pub sdp_session_id: u64,
    /// The explanation tree of the decision.
    pub explanation: Explanation,
    /// What is peculiar to a call out; `None` for one that came in.
    pub outbound: Option<Box<Outbound>>,
}
