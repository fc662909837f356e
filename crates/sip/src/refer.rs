//! Transfers by REFER (RFC 3515): Refer-To, the subscription's headers, and `message/sipfrag`.

use crate::{address, number::number, parameters::Parameters};

/// The value of Refer-To for a target, byte for byte: a URI gets angle brackets, what has them
/// already stays as it is. Without brackets a parameter of the URI would be one of the header.
///
/// # Errors
/// Why the target is no address: it is empty, has no scheme, or has a character that would end the
/// value or the header.
pub fn refer_to(target: &str) -> Result<String, &'static str> {
    if target.contains(['\r', '\n', '\0']) {
        return Err("has a line break or NUL");
    }
    if target.contains('<') {
        return match address::fault(target) {
            Some(why) => Err(why),
            None if !has_scheme(&crate::Address::parse(target).uri.text) => Err("has no scheme"),
            None => Ok(target.to_owned()),
        };
    }
    if target.contains(|c: char| c.is_ascii_whitespace() || c.is_control() || matches!(c, '>' | '"')) {
        return Err("has a character that no URI has");
    }
    if !has_scheme(target) {
        return Err("has no scheme");
    }
    Ok(format!("<{target}>"))
}

fn has_scheme(uri: &str) -> bool {
    let legal = |s: &str| {
        s.starts_with(|c: char| c.is_ascii_alphabetic())
            && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    };
    uri.split_once(':').is_some_and(|(scheme, rest)| legal(scheme) && !rest.is_empty())
}

/// How far a transfer is: the status line of a `message/sipfrag` (RFC 3420, RFC 3515 §2.4.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipFragment {
    /// 100 to 699.
    pub status: u16,
    /// The reason phrase; may be empty.
    pub reason: String,
}

impl SipFragment {
    /// Reads a body; line ends, spaces and case may be any, and what follows the status line is not
    /// looked at.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(body);
        let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
        let (version, rest) = line.split_once([' ', '\t'])?;
        if !version.eq_ignore_ascii_case("SIP/2.0") {
            return None;
        }
        let rest = rest.trim_start();
        let (status, reason) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        let status = number(status, 699).and_then(|s| u16::try_from(s).ok()).filter(|s| *s >= 100)?;
        Some(Self { status, reason: reason.trim().to_owned() })
    }

    /// The body of a NOTIFY.
    pub fn print(&self) -> String {
        let reason: String = self.reason.chars().filter(|c| !c.is_control()).collect();
        format!("SIP/2.0 {} {reason}\r\n", self.status)
    }
}

/// The Event header (RFC 6665 §8.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventHeader {
    /// The package, lower-cased; of a transfer `refer`.
    pub package: String,
    /// Which of several subscriptions: of a transfer the CSeq number of the REFER, where there was
    /// more than one in the dialog (RFC 3515 §2.4.6).
    pub id: Option<String>,
}

impl EventHeader {
    /// Reads the value; spaces may stand around every part.
    pub fn parse(value: &str) -> Self {
        let read = Parameters::read(value);
        let id = read.get("id").filter(|id| !id.is_empty()).map(str::to_owned);
        Self { package: read.value.to_ascii_lowercase(), id }
    }
}

/// The Subscription-State header (RFC 6665 §8.2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionState {
    /// Nothing more will come.
    pub is_terminated: bool,
    /// Why, lower-cased: `noresource`, `timeout`, `rejected` and others.
    pub reason: Option<String>,
    /// For how long the subscription holds, seconds.
    pub expires: Option<u32>,
}

impl SubscriptionState {
    /// Reads the value; a state that is not known counts as active.
    pub fn parse(value: &str) -> Self {
        let read = Parameters::read(value);
        let expires = read.get("expires").and_then(|e| number(e, u64::from(u32::MAX)));
        Self {
            is_terminated: read.value.eq_ignore_ascii_case("terminated"),
            reason: read.get("reason").filter(|r| !r.is_empty()).map(str::to_ascii_lowercase),
            expires: expires.and_then(|e| u32::try_from(e).ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_targets_bytes_are_the_users() {
        let tel = "tel:+15559876543;x-ai-agent-outcome=transfer%3ATech%20Support";
        let replaces = "sip:a@b;user=phone?Replaces=1%40c%3Bto-tag%3D2%3Bfrom-tag%3D3";
        for target in [tel, replaces, "SIP:x@Host.Example", "urn:service:sos", "sip:a,b@c"] {
            assert_eq!(refer_to(target).as_deref(), Ok(format!("<{target}>").as_str()));
            assert_eq!(refer_to(&format!("<{target}>")).as_deref(), Ok(format!("<{target}>").as_str()));
        }
        let full = format!("\"Tech, <Support>\" <{tel}>;x=1");
        assert_eq!(refer_to(&full).as_deref(), Ok(full.as_str()));
    }

    #[test]
    fn what_is_no_target_is_refused() {
        for target in [
            "",
            "+1555",
            "tel:",
            "tel:1\r\nX: y",
            "tel:1\0",
            "sip:a b",
            "sip:a>",
            "<sip:a",
            "<>",
            "<sip:a>x",
            "a\"<sip:b>",
        ] {
            assert!(refer_to(target).is_err(), "{target}");
        }
    }

    #[test]
    fn fragments_are_read_however_they_are_written() {
        let read = |text: &str| SipFragment::parse(text.as_bytes()).map(|f| (f.status, f.reason));
        assert_eq!(read("SIP/2.0 100 Trying\r\n"), Some((100, "Trying".into())));
        assert_eq!(read("\r\n\nsip/2.0\t 603  Decline it \nVia: x"), Some((603, "Decline it".into())));
        assert_eq!(read("SIP/2.0 200"), Some((200, String::new())));
        for text in ["", "200 OK", "SIP/2.0", "SIP/2.0 99 x", "SIP/2.0 700 x", "SIP/2.0 +20 x", "INVITE sip:a SIP/2.0"]
        {
            assert_eq!(read(text), None, "{text}");
        }
        let fragment = SipFragment { status: 486, reason: "Busy\r\nHere".into() };
        assert_eq!(fragment.print(), "SIP/2.0 486 BusyHere\r\n");
    }

    #[test]
    fn the_headers_of_the_subscription_are_read() {
        let event = |text: &str| EventHeader::parse(text);
        assert_eq!(event("Refer ; id=5"), EventHeader { package: "refer".into(), id: Some("5".into()) });
        assert_eq!(event("refer"), EventHeader { package: "refer".into(), id: None });
        let state = SubscriptionState::parse("Terminated;Reason=NoResource");
        assert_eq!((state.is_terminated, state.reason.as_deref()), (true, Some("noresource")));
        let state = SubscriptionState::parse("active ;expires = 60");
        assert_eq!((state.is_terminated, state.expires), (false, Some(60)));
        assert_eq!(SubscriptionState::parse("active;expires=99999999999").expires, None);
    }
}
