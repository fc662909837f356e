//! Whom to call: LiveKit's `CreateSIPParticipantRequest` as far as it is about the SIP side.

use super::{
    country::check_country,
    headers::check_headers,
    place::Place,
    target::{NamedTarget, Target, host_text, quotable, user_text},
};
use crate::{Refusal, record::OutboundTrunk, validate};
use std::collections::BTreeMap;
use trunkline_types::{limits, policy::IncludeHeaders};

/// Whom to call.
#[derive(Clone, Debug, Default)]
pub struct Dial {
    /// The stored trunk; empty for the inline one.
    pub trunk_id: String,
    /// The inline trunk (`trunk` of the request): its address, transport, credentials, mappings.
    pub trunk: Option<Box<OutboundTrunk>>,
    /// The number or user to call (`sip_call_to`).
    pub call_to: String,
    /// The Request-URI (`sip_request_uri`), if it is not made of number and trunk.
    pub request_uri: Option<Target>,
    /// To (`sip_to_header`), in place of `call_to`.
    pub to_header: Option<NamedTarget>,
    /// From (`sip_from_header`), in place of `number` and `display_name`.
    pub from_header: Option<NamedTarget>,
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

impl Dial {
    /// Checks what can be checked without trunks, as LiveKit's API does; each refusal names the field.
    ///
    /// # Errors
    /// Neither trunk nor number, nobody to call, fields that exclude each other, a text that cannot
    /// stand where it goes in a SIP message.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.trunk_id.is_empty() && self.trunk.is_none() && self.number.is_empty() {
            return Err(Refusal::invalid("sip_trunk_id", "is required, unless trunk says where to call"));
        }
        if let Some(trunk) = &self.trunk {
            check_inline(trunk)?;
        }
        match (&self.to_header, self.call_to.as_str()) {
            (None, "") => return Err(Refusal::invalid("sip_call_to", "is required: the number to call")),
            (Some(_), "") | (None, _) => {}
            (Some(_), _) => return Err(Refusal::invalid("sip_to_header", "and sip_call_to exclude each other")),
        }
        user_text("sip_call_to", &self.call_to)?;
        user_text("sip_number", &self.number)?;
        if !self.to_user_override.is_empty() && self.to_header.is_some() {
            return Err(Refusal::invalid("to_user_override", "and sip_to_header exclude each other"));
        }
        if !self.to_user_override.bytes().all(validate::is_token) {
            let message = format!("{:?} may hold letters, digits and -.!%*_+`'~ only", self.to_user_override);
            return Err(Refusal::invalid("to_user_override", message));
        }
        if let Some(name) = &self.display_name {
            if name.len() > limits::DISPLAY_NAME_BYTES {
                let limit = limits::DISPLAY_NAME_BYTES;
                return Err(Refusal::invalid("display_name", format!("is longer than {limit} bytes")));
            }
            quotable("display_name", name)?;
        }
        if let Some(target) = &self.request_uri {
            target.text("sip_request_uri", None)?;
        }
        for (field, named) in [("sip_to_header", &self.to_header), ("sip_from_header", &self.from_header)] {
            if let Some(named) = named {
                named.text(field, None)?;
            }
        }
        check_country("destination.country", &self.destination_country)?;
        check_headers(&self.headers)
    }
}

fn check_inline(trunk: &OutboundTrunk) -> Result<(), Refusal> {
    if trunk.address.is_empty() {
        return Err(Refusal::invalid("trunk.hostname", "is required: the far end's host[:port]"));
    }
    Place::parse("trunk.hostname", &trunk.address)?;
    if !trunk.from_host.is_empty() {
        host_text("trunk.from_host", &trunk.from_host)?;
    }
    validate::credentials(&trunk.auth_username, &trunk.auth_password)?;
    check_country("trunk.destination_country", &trunk.destination_country)?;
    validate::mappings(&trunk.headers_to_attributes, &trunk.attributes_to_headers)
}
