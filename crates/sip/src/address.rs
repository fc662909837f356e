//! Addresses and URIs: what is read is the one outside the quotes; the text stays as it came.

use crate::{flow::Protocol, number};

/// A name-addr or addr-spec (RFC 3261 §20.10).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// The display name, unquoted.
    pub display: String,
    /// The URI.
    pub uri: Uri,
    /// The header parameter `tag`.
    pub tag: Option<String>,
    /// The header parameter `q` in thousandths: which of several Contacts is to be tried first
    /// (RFC 3261 §20.10). `None` without one.
    pub q: Option<u16>,
    /// The header parameter `expires` in seconds: how long a Contact is bound (RFC 3261 §20.10).
    pub expires: Option<u32>,
}

/// A URI.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uri {
    /// As it came.
    pub text: String,
    /// Lower-cased.
    pub scheme: String,
    /// The user part without password; for `tel:` the number. Percent escapes are decoded if what
    /// comes out is printable ASCII.
    pub user: String,
    /// The host, without brackets.
    pub host: String,
    /// The port, if it is one.
    pub port: Option<u16>,
    /// The `transport` parameter.
    pub transport: Option<Protocol>,
}

pub(crate) fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b)
}

/// Host and port of `host:port`, brackets taken off; a port that is there and empty is empty.
pub(crate) fn host_and_port(text: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let rest = rest.trim();
        // Anything else behind the bracket is a port nobody can read.
        return (host, (!rest.is_empty()).then(|| rest.strip_prefix(':').unwrap_or("?").trim()));
    }
    text.split_once(':').map_or((text, None), |(host, port)| (host.trim_end(), Some(port.trim())))
}

/// Splits a header value at its top-level commas.
pub(crate) fn split_list(value: &str) -> Vec<&str> {
    split_outside(value, b',')
}

/// Splits at a byte outside quotes and angle brackets.
pub(crate) fn split_outside(value: &str, at: u8) -> Vec<&str> {
    let (mut parts, mut begin, mut quoted, mut angle, mut escaped) = (Vec::new(), 0, false, false, false);
    for (index, byte) in value.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'<' if !quoted => angle = true,
            b'>' if !quoted => angle = false,
            _ if byte == at && !quoted && !angle => {
                parts.push(value.get(begin..index).unwrap_or_default().trim());
                begin = index.saturating_add(1);
            }
            _ => {}
        }
    }
    parts.push(value.get(begin..).unwrap_or_default().trim());
    parts
}

impl Address {
    /// Reads an address; what cannot be read is left empty.
    pub fn parse(value: &str) -> Self {
        let parts = split_outside(value, b';');
        let first = parts.first().copied().unwrap_or_default();
        let (display, uri, parameters) = match find_angle(value) {
            Some((open, close)) => {
                let display = unquoted(value.get(..open).unwrap_or_default().trim());
                let uri = value.get(open.saturating_add(1)..close).unwrap_or_default();
                let rest = value.get(close.saturating_add(1)..).unwrap_or_default();
                (display, uri, split_outside(rest, b';'))
            }
            // Without brackets, parameters belong to the header (RFC 3261 §20.10).
            None => (String::new(), first, parts.get(1..).unwrap_or_default().to_vec()),
        };
        let parameter = |wanted: &str| {
            parameters.iter().find_map(|p| {
                let (name, value) = p.split_once('=')?;
                name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim())
            })
        };
        let tag = parameter("tag").filter(|tag| !tag.is_empty()).map(str::to_owned);
        let expires = parameter("expires").and_then(|seconds| seconds.parse().ok());
        Self { display, uri: Uri::parse(uri), tag, q: parameter("q").and_then(thousandths), expires }
    }
}

/// A `qvalue`: 0 to 1 with at most three digits behind the point (RFC 3261 §25.1).
fn thousandths(value: &str) -> Option<u16> {
    let (whole, part) = value.split_once('.').unwrap_or((value, ""));
    if part.len() > 3 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part: u16 = format!("{part:0<3}").parse().ok()?;
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(1_000),
        _ => None,
    }
}

/// The angle brackets outside quotes.
fn find_angle(value: &str) -> Option<(usize, usize)> {
    let (mut quoted, mut escaped, mut open) = (false, false, None);
    for (index, byte) in value.bytes().enumerate() {
        match (byte, open) {
            _ if escaped => escaped = false,
            (b'\\', None) if quoted => escaped = true,
            (b'"', None) => quoted = !quoted,
            (b'<', None) if !quoted => open = Some(index),
            (b'>', Some(open)) => return Some((open, index)),
            _ => {}
        }
    }
    None
}

pub(crate) fn unquoted(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) else { return text.to_owned() };
    let mut plain = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        plain.extend(if c == '\\' { rest.next() } else { Some(c) });
    }
    plain
}

impl Uri {
    /// Reads a URI; what cannot be read is left empty.
    pub fn parse(text: &str) -> Self {
        let mut uri = Self { text: text.into(), ..Self::default() };
        let Some((scheme, rest)) = text.split_once(':') else { return uri };
        uri.scheme = scheme.to_ascii_lowercase();
        if uri.scheme == "tel" {
            uri.user = rest.split(';').next().unwrap_or_default().to_owned();
            return uri;
        }
        let (user, place) = user_and_place(rest);
        uri.user = decoded(user.split(':').next().unwrap_or_default());
        let mut parts = place.split('?').next().unwrap_or_default().split(';');
        let (host, port) = host_and_port(parts.next().unwrap_or_default());
        uri.host = host.into();
        uri.port = port.and_then(number::port);
        uri.transport = parts.find_map(|p| {
            let (name, value) = p.split_once('=')?;
            if !name.eq_ignore_ascii_case("transport") {
                return None;
            }
            [Protocol::Udp, Protocol::Tcp, Protocol::Tls].into_iter().find(|t| t.as_str().eq_ignore_ascii_case(value))
        });
        uri
    }
}

/// User and the rest of what follows the scheme. `?` and `;` are legal in a user, and `@` nowhere
/// but behind it (RFC 3261 §25.1).
fn user_and_place(rest: &str) -> (&str, &str) {
    rest.rsplit_once('@').unwrap_or(("", rest))
}

/// What follows `sip:` or `sips:`.
fn sip_rest(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once(':')?;
    (scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips")).then_some(rest)
}

/// What makes a URI unusable wherever it stands.
pub(crate) fn uri_fault(uri: &str) -> Option<&'static str> {
    if uri.contains(|c: char| c.is_ascii_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"')) {
        return Some("has a character that no URI has");
    }
    let rest = sip_rest(uri)?;
    if rest.matches('@').count() > 1 {
        return Some("has more than one @");
    }
    let host_port = user_and_place(rest).1.split([';', '?']).next().unwrap_or_default();
    if !host_port.starts_with('[') && host_port.matches(':').count() > 1 {
        return Some("has an IPv6 address without brackets");
    }
    let (host, port) = host_and_port(host_port);
    if host.contains(['[', ']']) {
        return Some("has a bracket that is not closed");
    }
    port.is_some_and(|port| number::port(port).is_none()).then_some("has a port that is not 1 to 65535")
}

/// What makes a URI unusable in a request line (RFC 3261 §19.1.1).
pub(crate) fn request_uri_fault(uri: &str) -> Option<&'static str> {
    let place = user_and_place(sip_rest(uri)?).1;
    if place.contains('?') {
        return Some("carries headers");
    }
    place.split([';', ':']).next().is_none_or(str::is_empty).then_some("has no host")
}

/// What makes a From, To or Contact unusable.
pub(crate) fn fault(value: &str) -> Option<&'static str> {
    if !quotes_close(value) {
        return Some("has a quote that is not closed");
    }
    let Some((open, close)) = find_angle(value) else {
        let uri = split_outside(value, b';').first().copied().unwrap_or_default();
        // RFC 3261 §20.10: such a URI stands in angle brackets.
        return if uri.contains('?') { Some("has a question mark outside brackets") } else { uri_fault(uri) };
    };
    let display = value.get(..open).unwrap_or_default().trim();
    let inner = display.strip_prefix('"').and_then(|d| d.strip_suffix('"'));
    // RFC 3261 §25.1 allows tokens only. What cannot be mistaken for another part is let through:
    // carriers send names such as AT&T.
    if inner.is_none() && display.contains([',', ';', '"', '>']) {
        return Some("has a display name that needs quotes");
    }
    let rest = value.get(close.saturating_add(1)..).unwrap_or_default().trim_start();
    if !rest.is_empty() && !rest.starts_with(';') {
        return Some("has more behind its brackets than parameters");
    }
    uri_fault(value.get(open.saturating_add(1)..close).unwrap_or_default())
}

fn quotes_close(value: &str) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    for byte in value.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
    }
    !quoted
}

fn decoded(user: &str) -> String {
    let mut bytes = Vec::with_capacity(user.len());
    let mut rest = user.bytes();
    while let Some(b) = rest.next() {
        if b != b'%' {
            bytes.push(b);
            continue;
        }
        let digits: Option<(u8, u8)> = rest.next().zip(rest.next());
        let hex = |d: u8| char::from(d).to_digit(16).and_then(|d| u8::try_from(d).ok());
        match digits.and_then(|(h, l)| Some(hex(h)? << 4 | hex(l)?)) {
            Some(byte) if byte.is_ascii_graphic() => bytes.push(byte),
            _ => return user.to_owned(),
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| user.to_owned())
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn q_is_read_in_thousandths_and_only_as_written_in_the_rfc() {
        let q = |value: &str| Address::parse(value).q;
        for (value, expected) in [("0", 0), ("0.", 0), ("0.5", 500), ("0.05", 50), ("1.000", 1_000), ("1", 1_000)] {
            assert_eq!(q(&format!("\"x;q=0.1\" <sip:a@b;q=0.2>;Q = {value};tag=q")), Some(expected), "{value}");
            assert_eq!(q(&format!("sip:a@b;q={value}")), Some(expected), "{value}");
        }
        for value in ["1.1", ".5", "0.1234", "2", "-0", "+1", "0.-1", "x", ""] {
            assert_eq!(q(&format!("<sip:a@b>;q={value}")), None, "{value}");
        }
        assert_eq!(q("<sip:a@b;q=0.5>"), None);
    }
}
