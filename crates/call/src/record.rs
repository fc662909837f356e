//! What is kept of a call: its record and a receipt per header.

use crate::{
    media::{Codec, LegStats},
    transfer::TransferRecord,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{collections::BTreeMap, sync::Arc};
use trunkline_types::{CallId, DisconnectReason, EndReason, EndedBy, RoomSid, RuleId, TrunkId};

/// Where a call stands; `sip.callStatus` for all but the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallStatus {
    /// A call out whose far end has said nothing yet.
    Dialing,
    /// 180 is out, nobody has taken it.
    Ringing,
    /// Answered.
    Active,
    /// Over.
    Hangup,
    /// Never got as far as ringing: refused.
    Refused,
}

impl CallStatus {
    /// The value of `sip.callStatus`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dialing => "dialing",
            Self::Ringing => "ringing",
            Self::Active => "active",
            Self::Hangup => "hangup",
            Self::Refused => "refused",
        }
    }
}

/// A cause of ITU-T Q.850 in a Reason header (RFC 3326) of the far end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// 0 to 127.
    pub cause: u16,
    /// The header's text, or else Q.850's; empty if neither has one.
    pub text: String,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// Why.
    pub reason: EndReason,
    /// Which side.
    pub by: EndedBy,
    /// With which reason the participant left the room.
    pub disconnect_reason: DisconnectReason,
    /// The SIP status of a call that was not answered, or of the far end's `Reason`.
    pub sip_status: Option<u16>,
    /// What the telephone network said, if the far end passed it on.
    #[serde(default)]
    pub q850: Option<Box<Cause>>,
    /// One sentence for the operator.
    pub text: String,
}

/// What became of one mapped header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Delivery {
    /// On our wire, byte for byte as set.
    Sent,
    /// On our wire, changed as `how` says (line breaks became spaces, controls dropped).
    Changed {
        /// What was changed.
        how: String,
    },
    /// Not sent.
    NotSent {
        /// Why.
        why: String,
    },
}

/// The delivery record of one header in one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The attribute it comes from; empty for a header that was given with `lk.sip.EndCall`.
    pub attribute: String,
    /// The header's name as sent.
    pub header: String,
    /// The value as it went out (as set, if it did not).
    pub value: String,
    /// When the attribute was last set, Unix milliseconds.
    pub set_at_ms: i64,
    /// The message: `200`, `BYE`, `200 to BYE`, `REFER`, `refusal`, `CANCEL`.
    pub message: String,
    /// When the message was first sent, Unix milliseconds; `None` if never.
    pub sent_at_ms: Option<i64>,
    /// The SIP status that acknowledged the message (0 for an ACK to our 200).
    pub acknowledged_by: Option<u16>,
    /// When that came, Unix milliseconds.
    pub acknowledged_at_ms: Option<i64>,
    /// What became of it.
    #[serde(flatten)]
    pub delivery: Delivery,
}

/// The record of one call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallRecord {
    /// `SCL_…`.
    pub call_id: CallId,
    /// The SIP Call-ID.
    pub sip_call_id: String,
    /// `inbound` or `outbound`.
    pub direction: String,
    /// Where it stands.
    pub status: CallStatus,
    /// The trunk, empty if none matched.
    pub trunk_id: TrunkId,
    /// The dispatch rule, empty if none matched.
    pub rule_id: RuleId,
    /// The room's name.
    pub room_name: String,
    /// The room's sid.
    pub room_sid: RoomSid,
    /// The participant's identity.
    pub participant_identity: String,
    /// The caller as given in From.
    pub from: String,
    /// The number called as given in To.
    pub to: String,
    /// Transport and source address.
    pub source: String,
    /// INVITE received, Unix milliseconds.
    pub created_at_ms: i64,
    /// 180 sent.
    pub ringing_at_ms: Option<i64>,
    /// 200 sent.
    pub answered_at_ms: Option<i64>,
    /// Over.
    pub ended_at_ms: Option<i64>,
    /// How it ended.
    pub ending: Option<Ending>,
    /// The participant's attributes, the last known.
    pub attributes: BTreeMap<String, String>,
    /// The INVITE's headers, in order, without credentials; of a call out those of its answer.
    pub invite_headers: Vec<(String, String)>,
    /// One per header per message.
    pub receipts: Vec<Receipt>,
    /// The explanation tree of the routing decision, as `routing` serialises it.
    pub explanation: Explanation,
    /// The codec, once negotiated.
    pub codec: Option<Codec>,
    /// Media counters.
    pub media: LegStats,
    /// Its transfers, the last ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transfers: Vec<TransferRecord>,
}

/// A JSON value that is carried, not interpreted: its text, which takes a tenth of a tree's room.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Explanation(Arc<RawValue>);

impl Explanation {
    /// What `value` is as JSON; `null` if it cannot be told so.
    pub fn of(value: &impl Serialize) -> Self {
        Self(serde_json::value::to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned()).into())
    }
}

impl Default for Explanation {
    fn default() -> Self {
        Self(RawValue::NULL.to_owned().into())
    }
}

/// One message of the ladder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LadderEntry {
    /// Unix microseconds.
    pub at_us: i64,
    /// `true` for a message we sent.
    pub sent: bool,
    /// `UDP`, `TCP` or `TLS`.
    pub transport: String,
    /// The far end's address.
    pub remote: String,
    /// The first line.
    pub start_line: String,
    /// The whole message as text (bytes that are not UTF-8 replaced); credentials blanked.
    pub text: String,
}
