//! Addresses and URIs: what is read is the one outside the quotes; the text stays as it came.

use crate::flow::Protocol;

/// A name-addr or addr-spec (RFC 3261 §20.10).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// The display name, unquoted.
    pub display: String,
    /// The URI.
    pub uri: Uri,
    /// The header parameter `tag`.
    pub tag: Option<String>,
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

/// Splits a header value at its top-level commas.
pub(crate) fn split_list(value: &str) -> Vec<&str> {
    split_outside(value, b',')
}

/// Splits at a byte outside quotes and angle brackets.
fn split_outside(value: &str, at: u8) -> Vec<&str> {
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
        let tag = parameters.iter().find_map(|p| {
            let (name, value) = p.split_once('=')?;
            name.trim().eq_ignore_ascii_case("tag").then(|| value.trim().to_owned())
        });
        Self { display, uri: Uri::parse(uri), tag: tag.filter(|t| !t.is_empty()) }
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

fn unquoted(text: &str) -> String {
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
        let rest = rest.split('?').next().unwrap_or_default();
        let (user, host) = rest.rsplit_once('@').unwrap_or(("", rest));
        uri.user = decoded(user.split(':').next().unwrap_or_default());
        let mut parts = host.split(';');
        let host_port = parts.next().unwrap_or_default();
        let (host, port) = match host_port.strip_prefix('[').and_then(|h| h.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => host_port.split_once(':').map_or((host_port, None), |(h, p)| (h, Some(p))),
        };
        uri.host = host.into();
        uri.port = port.and_then(|p| p.parse().ok());
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
