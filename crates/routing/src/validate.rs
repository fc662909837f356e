//! The checks of LiveKit's API on trunks and rules, each refusal naming field, value and cure.

use crate::{
    address::Allowed,
    dial::{check_headers, place::Place},
    record::{DispatchRule, InboundTrunk, MediaConfig, OutboundTrunk, Rule},
};
use std::{collections::BTreeMap, time::Duration};
use trunkline_types::{is_reserved_header, limits};

/// What kind of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// The request is wrong.
    InvalidArgument,
    /// There is no such record.
    NotFound,
    /// What is stored does not allow it as it stands.
    FailedPrecondition,
    /// The operator has not allowed it.
    PermissionDenied,
}

/// Why a change is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What kind.
    pub kind: RefusalKind,
    /// The field at fault, as the API spells it.
    pub field: String,
    /// Field, value and cure.
    pub message: String,
}

impl Refusal {
    pub(crate) fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self {
            kind: RefusalKind::InvalidArgument,
            field: field.into(),
            message: format!("{field}: {}", message.into()),
        }
    }

    pub(crate) fn precondition(field: &str, message: impl Into<String>) -> Self {
        Self { kind: RefusalKind::FailedPrecondition, ..Self::invalid(field, message) }
    }

    pub(crate) fn forbidden(field: &str, message: impl Into<String>) -> Self {
        Self { kind: RefusalKind::PermissionDenied, ..Self::invalid(field, message) }
    }

    pub(crate) fn not_found(what: &str, id: &str) -> Self {
        let message = format!("{what} {id:?} does not exist");
        Self { kind: RefusalKind::NotFound, field: "id".into(), message }
    }
}

const MEDIA_TIMEOUT_MAX: Duration = Duration::from_secs(600);

/// The characters of a token (RFC 3261 §25.1).
pub(crate) fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b)
}

fn token(field: &str, name: &str) -> Result<(), Refusal> {
    if name.is_empty() || name.len() > 255 || !name.bytes().all(is_token) {
        return Err(Refusal::invalid(field, format!("{name:?} is not a header name (letters, digits and -.!%*_+`'~)")));
    }
    Ok(())
}

fn not_reserved(field: &str, name: &str) -> Result<(), Refusal> {
    if is_reserved_header(name) {
        return Err(Refusal::invalid(
            field,
            format!("{name:?} belongs to the dialog; use a header of your own, such as X-…"),
        ));
    }
    Ok(())
}

/// Checks headers that a request or a record gives: names, that none belongs to the dialog, and
/// values without control characters and of at most
/// [`API_HEADER_VALUE_BYTES`](limits::API_HEADER_VALUE_BYTES).
///
/// # Errors
/// Names `field`, the header and the cure.
pub fn headers(field: &str, headers: &BTreeMap<String, String>) -> Result<(), Refusal> {
    for (name, value) in headers {
        token(field, name)?;
        not_reserved(field, name)?;
        if value.len() > limits::API_HEADER_VALUE_BYTES {
            let limit = limits::API_HEADER_VALUE_BYTES;
            return Err(Refusal::invalid(field, format!("the value of {name:?} is longer than {limit} bytes")));
        }
        if value.chars().any(|c| c.is_control() && c != '\t') {
            return Err(Refusal::invalid(
                field,
                format!("the value of {name:?} holds a line break or control character"),
            ));
        }
    }
    Ok(())
}

pub(crate) fn mappings(
    to_attributes: &BTreeMap<String, String>,
    to_headers: &BTreeMap<String, String>,
) -> Result<(), Refusal> {
    for header in to_attributes.keys() {
        token("headers_to_attributes", header)?;
    }
    for header in to_headers.values() {
        token("attributes_to_headers", header)?;
        not_reserved("attributes_to_headers", header)?;
    }
    Ok(())
}

/// Checks `SIPMediaConfig` (LiveKit's rules).
///
/// # Errors
/// A codec's name that is none, a timeout above ten minutes.
pub fn media(media: Option<&MediaConfig>) -> Result<(), Refusal> {
    let Some(media) = media else { return Ok(()) };
    for codec in &media.codecs {
        if codec.name.is_empty() || codec.name.contains(|c: char| c.is_whitespace() || c == '/') {
            return Err(Refusal::invalid(
                "media.codecs",
                format!("{:?} is not a codec's name, such as PCMU", codec.name),
            ));
        }
    }
    if media.media_timeout.is_some_and(|t| t > MEDIA_TIMEOUT_MAX) {
        return Err(Refusal::invalid("media.media_timeout", "at most 10 min"));
    }
    Ok(())
}

fn numbers(field: &str, numbers: &[String]) -> Result<(), Refusal> {
    match numbers.iter().find(|n| n.is_empty() || n.chars().any(char::is_control)) {
        Some(number) => Err(Refusal::invalid(field, format!("{number:?} is not a number"))),
        None => Ok(()),
    }
}

pub(crate) fn credentials(username: &str, password: &str) -> Result<(), Refusal> {
    let field = match (username.is_empty(), password.is_empty()) {
        (true, false) => "auth_username",
        (false, true) => "auth_password",
        _ => return Ok(()),
    };
    Err(Refusal::invalid(field, "is empty; give both auth_username and auth_password, or neither"))
}

pub(crate) fn inbound(trunk: &InboundTrunk) -> Result<(), Refusal> {
    credentials(&trunk.auth_username, &trunk.auth_password)?;
    if trunk.auth_username.is_empty() && trunk.allowed_addresses.is_empty() && trunk.numbers.is_empty() {
        let message = "for security, one of numbers, allowed_addresses or auth_username with auth_password is needed";
        return Err(Refusal::invalid("numbers", message));
    }
    numbers("numbers", &trunk.numbers)?;
    numbers("allowed_numbers", &trunk.allowed_numbers)?;
    if let Some(entry) = trunk.allowed_addresses.iter().find(|e| Allowed::parse(e).is_none()) {
        let message = format!("{entry:?} is neither an address, a network such as 54.172.60.0/23, nor a host name");
        return Err(Refusal::invalid("allowed_addresses", message));
    }
    media(trunk.media.as_ref())?;
    headers("headers", &trunk.headers)?;
    mappings(&trunk.headers_to_attributes, &trunk.attributes_to_headers)
}

pub(crate) fn outbound(trunk: &OutboundTrunk) -> Result<(), Refusal> {
    if trunk.numbers.is_empty() {
        return Err(Refusal::invalid("numbers", "is empty; calls need a number to originate from"));
    }
    if trunk.address.is_empty() {
        return Err(Refusal::invalid("address", "is empty; give the far end's host[:port]"));
    }
    credentials(&trunk.auth_username, &trunk.auth_password)?;
    numbers("numbers", &trunk.numbers)?;
    Place::parse("address", &trunk.address)?;
    if !trunk.from_host.is_empty() {
        Place::parse("from_host", &trunk.from_host)?;
    }
    media(trunk.media.as_ref())?;
    check_headers(&trunk.headers)?;
    mappings(&trunk.headers_to_attributes, &trunk.attributes_to_headers)
}

pub(crate) fn rule(rule: &DispatchRule) -> Result<(), Refusal> {
    match &rule.rule {
        None => return Err(Refusal::invalid("rule", "is missing; give a direct, an individual or a callee rule")),
        Some(Rule::Direct { room_name, .. }) if room_name.is_empty() => {
            return Err(Refusal::invalid("rule.dispatch_rule_direct.room_name", "is empty; name the room"));
        }
        Some(_) => {}
    }
    numbers("inbound_numbers", &rule.inbound_numbers)?;
    numbers("numbers", &rule.numbers)?;
    media(rule.media.as_ref())
}
