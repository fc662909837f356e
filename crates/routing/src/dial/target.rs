//! The addresses of a request that are given whole: LiveKit's `SIPRequestDest` and `SIPNamedDest`.

use super::place::Place;
use crate::Refusal;
use trunkline_types::limits;

/// LiveKit's `SIPUri`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetParts {
    /// The user part.
    pub user: String,
    /// A name.
    pub host: String,
    /// An address, if there is no name.
    pub ip: String,
    /// 0 for none.
    pub port: u32,
    /// LiveKit's `SIPTransport` number.
    pub transport: i32,
}

/// A URI of a request, as a text or in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The URI, with or without angle brackets.
    Raw(String),
    /// Its parts.
    Values(TargetParts),
}

/// A URI with a display name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedTarget {
    /// The display name; empty for none.
    pub display_name: String,
    /// The URI.
    pub uri: Target,
}

impl Target {
    /// The URI; an explicit transport of the trunk's takes the place of its own.
    pub(crate) fn text(&self, field: &str, transport: Option<&str>) -> Result<String, Refusal> {
        match self {
            Self::Raw(raw) => Ok(with_transport(&bare_uri(field, raw)?, transport)),
            Self::Values(parts) => {
                if parts.user.is_empty() {
                    return Err(Refusal::invalid(&format!("{field}.user"), "is required"));
                }
                user_text(&format!("{field}.user"), &parts.user)?;
                let (part, host) = match parts.host.as_str() {
                    "" => ("ip", &parts.ip),
                    _ => ("host", &parts.host),
                };
                let mut place = Place::parse(&format!("{field}.{part}"), host)?;
                if parts.port != 0 {
                    let port = u16::try_from(parts.port);
                    place.port =
                        Some(port.map_err(|_| Refusal::invalid(&format!("{field}.port"), "must be 1 to 65535"))?);
                }
                let own = transport_name(parts.transport);
                if own.is_some() && transport.is_some() && own != transport {
                    let message = "is not that of the trunk; leave one of the two out";
                    return Err(Refusal::invalid(&format!("{field}.transport"), message));
                }
                Ok(with_transport(&format!("sip:{}@{place}", parts.user), transport.or(own)))
            }
        }
    }

    /// The user part, or the number of a `tel:` URI.
    pub(crate) fn user(&self) -> &str {
        match self {
            Self::Values(parts) => &parts.user,
            Self::Raw(raw) => {
                let bare = raw.trim().trim_start_matches('<').trim_end_matches('>');
                let (scheme, rest) = bare.split_once(':').unwrap_or_default();
                let user = match scheme.eq_ignore_ascii_case("tel") {
                    true => rest,
                    false => rest.rsplit_once('@').map_or("", |(user, _)| user),
                };
                user.split([';', ':']).next().unwrap_or_default()
            }
        }
    }
}

impl NamedTarget {
    /// The name-addr.
    pub(crate) fn text(&self, field: &str, transport: Option<&str>) -> Result<String, Refusal> {
        let uri = self.uri.text(field, transport)?;
        quotable(&format!("{field}.display_name"), &self.display_name)?;
        Ok(name_addr(&self.display_name, &uri))
    }
}

/// `"Name" <uri>`; the name is the inside of a quoted string already.
pub(crate) fn name_addr(display: &str, uri: &str) -> String {
    if display.is_empty() { format!("<{uri}>") } else { format!("\"{display}\" <{uri}>") }
}

/// LiveKit's `SIPTransport` as the URI parameter says it; `None` for the automatic one.
pub(crate) const fn transport_name(number: i32) -> Option<&'static str> {
    match number {
        1 => Some("udp"),
        2 => Some("tcp"),
        3 => Some("tls"),
        _ => None,
    }
}

/// The URI with this `transport` parameter in place of any other. `tel:` has none.
pub(crate) fn with_transport(uri: &str, transport: Option<&str>) -> String {
    let Some(transport) = transport.filter(|_| !scheme_is(uri, "tel")) else { return uri.to_owned() };
    // Parameters begin behind the user part, which may hold semicolons, and end before `?`.
    let behind_user = uri.rfind('@').map_or(0, |at| at.saturating_add(1));
    let (front, place) = uri.split_at_checked(behind_user).unwrap_or(("", uri));
    let (place, headers) = match place.split_once('?') {
        Some((place, headers)) => (place, Some(headers)),
        None => (place, None),
    };
    let mut text = front.to_owned();
    for (index, part) in place.split(';').enumerate() {
        let name = part.split('=').next().unwrap_or_default();
        if index > 0 && name.eq_ignore_ascii_case("transport") {
            continue;
        }
        if index > 0 {
            text.push(';');
        }
        text.push_str(part);
    }
    text.push_str(";transport=");
    text.push_str(transport);
    if let Some(headers) = headers {
        text.push('?');
        text.push_str(headers);
    }
    text
}

/// Whether a URI has this scheme, in any case.
pub(crate) fn scheme_is(uri: &str, scheme: &str) -> bool {
    uri.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(scheme))
}

/// The URI inside brackets, or the text itself: `sip:`, `sips:` or `tel:`, and nothing around it.
pub(crate) fn bare_uri(field: &str, text: &str) -> Result<String, Refusal> {
    let wrong = |why: &str| Err(Refusal::invalid(field, format!("{text:?} {why}")));
    let trimmed = text.trim_matches(' ');
    let bare = match trimmed.strip_prefix('<') {
        Some(rest) => match rest.strip_suffix('>') {
            Some(bare) => bare,
            None => return wrong("has something behind its angle bracket"),
        },
        None => trimmed,
    };
    if bare.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | '"')) {
        return wrong("holds a line break, a control character, a space, a quote or an angle bracket");
    }
    if bare.len() > limits::URI_BYTES {
        return Err(Refusal::invalid(field, format!("is longer than {} bytes", limits::URI_BYTES)));
    }
    let place = bare.rsplit_once('@').map_or_else(|| bare.split_once(':').map_or("", |(_, rest)| rest), |(_, p)| p);
    if scheme_is(bare, "tel") {
        if place.is_empty() || place.starts_with(';') {
            return wrong("has no number");
        }
    } else if scheme_is(bare, "sip") || scheme_is(bare, "sips") {
        if bare.matches('@').count() > 1 {
            return wrong("has more than one @; one that belongs to the user is written %40");
        }
        Place::parse(field, place.split([';', '?']).next().unwrap_or_default())?;
    } else {
        return wrong("is not a sip:, sips: or tel: URI");
    }
    Ok(bare.to_owned())
}

/// What can be the user part of a URI as it is.
pub(crate) fn user_text(field: &str, user: &str) -> Result<(), Refusal> {
    let wrong = |c: char| c.is_control() || c.is_whitespace() || "@<>\"{}[]\\^|?".contains(c) || !c.is_ascii();
    if user.len() > limits::USER_PART_BYTES {
        return Err(Refusal::invalid(field, format!("is longer than {} bytes", limits::USER_PART_BYTES)));
    }
    if user.contains(wrong) {
        let message = format!("{user:?} is not a number or user: it holds a line break, a space or one of @<>\"?");
        return Err(Refusal::invalid(field, message));
    }
    Ok(())
}

/// What can be the inside of a quoted string as it is (RFC 3261 §25.1): quotes and backslashes
/// behind a backslash only.
pub(crate) fn quotable(field: &str, text: &str) -> Result<(), Refusal> {
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let wrong = match c {
            '\\' => rest.next().is_none_or(char::is_control),
            '"' => true,
            c => c.is_control(),
        };
        if wrong {
            let message = format!("{text:?} holds a quote or backslash without a backslash before it, or a line break");
            return Err(Refusal::invalid(field, message));
        }
    }
    Ok(())
}

/// A host without a port is enough for From, one with a port is taken as well.
pub(crate) fn host_text(field: &str, host: &str) -> Result<(), Refusal> {
    Place::parse(field, host).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::{Target, TargetParts, bare_uri, quotable, with_transport};

    #[test]
    fn an_explicit_transport_takes_the_place_of_another() {
        for (uri, wanted) in [
            ("sip:1@a", "sip:1@a;transport=tcp"),
            ("sip:1;x=y@a:5;transport=udp;lr", "sip:1;x=y@a:5;lr;transport=tcp"),
            ("sip:a?X=1", "sip:a;transport=tcp?X=1"),
            ("tel:+1;ext=3", "tel:+1;ext=3"),
        ] {
            assert_eq!(with_transport(uri, Some("tcp")), wanted);
            assert_eq!(with_transport(uri, None), uri);
        }
    }

    #[test]
    fn uris_stand_alone() {
        for good in ["sip:a@b", "<SIPS:a@b:1;x=%20>", "tel:+1;p=%3A", "sip:b", "<sip:[::1]:5060>"] {
            let bare = bare_uri("f", good).unwrap();
            assert!(good.contains(&bare));
        }
        for bad in [
            "",
            "b",
            "http://b",
            "sip:",
            "sip:a@",
            "\"N\" <sip:a@b>",
            "<sip:a@b>;x=y",
            "<sip:a@b",
            "sip:a b@c",
            "tel:",
            "sip:a\r\nX: y@b",
            "sip:a\0@b",
            "sip:a@b,sip:c@d",
        ] {
            assert_eq!(bare_uri("f", bad).unwrap_err().field, "f", "{bad:?}");
        }
    }

    #[test]
    fn parts_make_a_uri() {
        let parts = |host: &str, ip: &str, port, transport| {
            Target::Values(TargetParts { user: "1".into(), host: host.into(), ip: ip.into(), port, transport })
        };
        assert_eq!(parts("a", "", 5070, 2).text("f", None).unwrap(), "sip:1@a:5070;transport=tcp");
        assert_eq!(parts("", "::1", 0, 0).text("f", Some("tls")).unwrap(), "sip:1@[::1];transport=tls");
        assert_eq!(parts("", "", 0, 0).text("f", None).unwrap_err().field, "f.ip");
        assert_eq!(parts("a", "", 65_536, 0).text("f", None).unwrap_err().field, "f.port");
        assert_eq!(parts("a", "", 0, 1).text("f", Some("tcp")).unwrap_err().field, "f.transport");
        let user = Target::Raw("<tel:+49301;x=y>".into());
        assert_eq!(user.user(), "+49301");
        assert_eq!(Target::Raw("sip:+1;a=b@host".into()).user(), "+1");
    }

    #[test]
    fn display_names_are_the_inside_of_a_quoted_string() {
        for good in ["", "Jane", "a \\\" b", "Zoë"] {
            quotable("f", good).unwrap();
        }
        for bad in ["a\"b", "a\\", "a\r\nb", "\0"] {
            assert!(quotable("f", bad).is_err(), "{bad:?}");
        }
    }
}
