//! Whom to call and through which trunk: LiveKit's `CreateSIPParticipantRequest` as far as it is
//! about the SIP side, and what comes of it.

use crate::{
    Directory, Refusal,
    record::{Options, OutboundTrunk},
};
use std::collections::BTreeMap;
use trunkline_types::{Random, policy::IncludeHeaders};

/// Whom to call.
#[derive(Clone, Debug, Default)]
pub struct Dial {
    /// The stored trunk; empty for the inline one.
    pub trunk_id: String,
    /// The inline trunk (`trunk` of the request): its address, transport, credentials, mappings.
    pub trunk: Option<Box<OutboundTrunk>>,
    /// The number or user to call (`sip_call_to`).
    pub call_to: String,
    /// The user part of To, if it differs.
    pub to_user_override: String,
    /// The number the call comes from; empty for one of the trunk's.
    pub number: String,
    /// The display name of From: `None` for the number, empty for none.
    pub display_name: Option<String>,
    /// Headers of the INVITE over the trunk's; a `Route` among them decides the next hop.
    pub headers: BTreeMap<String, String>,
    /// Which headers of the answer become `sip.h.*`; `None` for the trunk's.
    pub include_headers: Option<IncludeHeaders>,
    /// ISO 3166-1 alpha-2, for the trunk's own routing.
    pub destination_country: String,
}

/// What to send and where.
#[derive(Clone, Debug)]
pub struct DialPlan {
    /// The trunk, stored or inline.
    pub trunk: OutboundTrunk,
    /// Its options.
    pub options: Options,
    /// The Request-URI.
    pub request_uri: String,
    /// The value of From without a tag; `{host}` stands for our own address if nobody named one.
    pub from: String,
    /// The value of To.
    pub to: String,
    /// The number called, as given.
    pub called: String,
    /// The number it comes from.
    pub number: String,
    /// Values of Route, in order: of the request, of the trunk's proxy and route set.
    pub routes: Vec<String>,
    /// Custom headers of the INVITE.
    pub headers: BTreeMap<String, String>,
    /// Which headers of the answer become `sip.h.*`.
    pub include_headers: IncludeHeaders,
}

impl Directory {
    /// Chooses the trunk and the number and builds the addresses.
    ///
    /// # Errors
    /// No such trunk, no number, a destination that the trunk's options do not allow, a field that
    /// cannot stand in a SIP message.
    pub fn plan_dial(&self, dial: &Dial, _random: &mut Random) -> Result<DialPlan, Refusal> {
        Err(Refusal::not_found("outbound trunk", &dial.trunk_id))
    }
}
