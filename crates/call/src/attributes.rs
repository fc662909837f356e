//! From the INVITE's headers to the participant's attributes.

use crate::Setup;
use std::collections::BTreeMap;
use trunkline_types::policy::IncludeHeaders;

/// Headers of providers that become attributes without being asked for (LiveKit's table).
const PROVIDER_HEADERS: [(&str, &str); 10] = [
    ("X-Twilio-AccountSid", "sip.twilio.accountSid"),
    ("X-Twilio-CallSid", "sip.twilio.callSid"),
    ("X-call_leg_id", "sip.telnyx.callLegID"),
    ("X-call_session_id", "sip.telnyx.callSessionID"),
    ("X-Amzn-ConnectContactId", "sip.amazon.contactId"),
    ("X-Amzn-ConnectInitialContactId", "sip.amazon.initialContactId"),
    ("X-Amzn-SourceAccount", "sip.amazon.sourceAccount"),
    ("X-Amzn-SourceArn", "sip.amazon.sourceArn"),
    ("X-Amzn-TargetArn", "sip.amazon.targetArn"),
    ("X-Lk-Test-Id", "lktest.id"),
];

/// Never shown to anybody: a digest response can be cracked at leisure.
const CREDENTIALS: [&str; 4] = ["authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate"];

/// Withheld when the caller's number is hidden.
const IDENTIFYING: [&str; 10] = [
    "from",
    "contact",
    "p-asserted-identity",
    "p-preferred-identity",
    "remote-party-id",
    "diversion",
    "history-info",
    "referred-by",
    "identity",
    "reply-to",
];

/// Whether a header holds credentials.
pub fn is_credential(name: &str) -> bool {
    CREDENTIALS.iter().any(|c| name.eq_ignore_ascii_case(c))
}

fn is_identifying(name: &str) -> bool {
    IDENTIFYING.iter().any(|c| name.eq_ignore_ascii_case(c))
}

/// The INVITE's headers that may be shown, in order.
pub(crate) fn visible_headers(setup: &Setup) -> impl Iterator<Item = (&str, &str)> {
    let invite = &setup.invite;
    let all = invite.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    all.filter(|(name, value)| {
        !is_credential(name)
            && !(setup.hidden && (is_identifying(name) || (!invite.from.is_empty() && value.contains(&invite.from))))
    })
}

/// Everything the participant carries in its first update, `sip.callStatus` included. Later
/// sources win over earlier ones; empty values are left out.
///
/// Takes the rule's attributes and the mappings out of `setup`.
pub fn initial(setup: &mut Setup) -> BTreeMap<String, String> {
    let mut attributes = std::mem::take(&mut setup.attributes);
    let mappings = std::mem::take(&mut setup.headers_to_attributes);
    let invite = &setup.invite;
    for (name, value) in visible_headers(setup) {
        let wanted = match setup.include_headers {
            IncludeHeaders::SipNoHeaders => false,
            IncludeHeaders::SipXHeaders => name.get(..2).is_some_and(|p| p.eq_ignore_ascii_case("x-")),
            IncludeHeaders::SipAllHeaders => true,
        };
        if wanted {
            attributes.insert(format!("sip.h.{}", name.to_ascii_lowercase()), value.to_owned());
        }
    }
    let first = |wanted: &str| {
        visible_headers(setup).find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.to_owned())
    };
    for (header, attribute) in PROVIDER_HEADERS {
        if let Some(value) = first(header) {
            attributes.insert(attribute.into(), value);
        }
    }
    for (header, attribute) in mappings {
        if let Some(value) = first(&header) {
            attributes.insert(attribute, value);
        }
    }
    attributes.insert("sip.callID".into(), setup.call_id.to_string());
    attributes.insert("sip.callIDFull".into(), invite.call_id.clone());
    attributes.insert("sip.callTag".into(), invite.remote_tag.clone());
    attributes.insert("sip.callStatus".into(), "ringing".into());
    attributes.retain(|_, value| !value.is_empty());
    attributes
}
