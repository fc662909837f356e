//! From the far end's headers to the participant's attributes.

use crate::{Setup, dial::FarAnswer};
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

/// The far end's headers that may be shown, in order.
pub(crate) fn visible_headers(setup: &Setup) -> impl Iterator<Item = (&str, &str)> {
    visible(setup, &setup.invite.headers)
}

fn visible<'a>(setup: &'a Setup, headers: &'a [(String, String)]) -> impl Iterator<Item = (&'a str, &'a str)> {
    let number = if setup.outbound.is_some() { &setup.invite.to } else { &setup.invite.from };
    let all = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    all.filter(move |(name, value)| {
        !is_credential(name)
            && !(setup.hidden && (is_identifying(name) || (!number.is_empty() && value.contains(number.as_str()))))
    })
}

/// Attributes that `headers` become: of providers, and with `all` also those that were asked for.
fn of_headers(setup: &Setup, headers: &[(String, String)], all: bool) -> BTreeMap<String, String> {
    let mut attributes = BTreeMap::new();
    for (name, value) in visible(setup, headers).filter(|_| all) {
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
        visible(setup, headers).find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.to_owned())
    };
    for (header, attribute) in PROVIDER_HEADERS {
        if let Some(value) = first(header) {
            attributes.insert(attribute.into(), value);
        }
    }
    for (header, attribute) in &setup.headers_to_attributes {
        if let Some(value) = first(header) {
            attributes.insert(attribute.clone(), value);
        }
    }
    attributes
}

/// Everything the participant carries in its first update, `sip.callStatus` included. Later
/// sources win over earlier ones; empty values are left out, but for `sip.ruleID` of a call out,
/// which LiveKit documents as present and empty.
///
/// Takes the rule's attributes out of `setup`, and the mappings of a call that came in.
pub fn initial(setup: &mut Setup) -> BTreeMap<String, String> {
    let mut attributes = std::mem::take(&mut setup.attributes);
    attributes.insert("sip.callID".into(), setup.call_id.to_string());
    let invite = &setup.invite;
    if let Some(outbound) = &setup.outbound {
        attributes.insert("sip.callStatus".into(), "dialing".into());
        attributes.insert("sip.trunkID".into(), setup.trunk_id.to_string());
        for (name, value) in [
            ("sip.phoneNumber", &invite.to),
            ("sip.hostname", &outbound.hostname),
            ("sip.trunkPhoneNumber", &invite.from),
        ] {
            if !setup.hidden {
                attributes.insert(name.into(), value.clone());
            }
        }
        attributes.retain(|_, value| !value.is_empty());
        attributes.insert("sip.ruleID".into(), String::new());
        return attributes;
    }
    attributes.extend(of_headers(setup, &invite.headers, true));
    attributes.insert("sip.callID".into(), setup.call_id.to_string());
    attributes.insert("sip.callIDFull".into(), invite.call_id.clone());
    attributes.insert("sip.callTag".into(), invite.remote_tag.clone());
    attributes.insert("sip.callStatus".into(), "ringing".into());
    attributes.retain(|_, value| !value.is_empty());
    setup.headers_to_attributes = BTreeMap::new();
    attributes
}

/// What an answer to our INVITE adds: of a provisional or refusing one what is mapped, of the final
/// one everything that was asked for. What the call itself says of itself cannot be overwritten.
pub(crate) fn of_answer(setup: &Setup, answer: &FarAnswer, is_final: bool) -> BTreeMap<String, String> {
    let mut attributes = of_headers(setup, &answer.headers, is_final);
    for own in ["sip.callID", "sip.callStatus", "sip.trunkID", "sip.ruleID"] {
        attributes.remove(own);
    }
    attributes.insert("sip.callIDFull".into(), setup.invite.call_id.clone());
    attributes.insert("sip.callTag".into(), answer.remote_tag.clone());
    attributes.retain(|_, value| !value.is_empty());
    attributes
}
