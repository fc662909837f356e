//! SIP as text: the few things a persona has to know of a message.

use std::net::{IpAddr, SocketAddr};

/// Header names and their short forms (RFC 3261 §7.3.3, RFC 3515, RFC 4028).
const SHORT: [(&str, &str); 10] = [
    ("v", "via"),
    ("f", "from"),
    ("t", "to"),
    ("i", "call-id"),
    ("m", "contact"),
    ("l", "content-length"),
    ("c", "content-type"),
    ("k", "supported"),
    ("r", "refer-to"),
    ("x", "session-expires"),
];

/// A message as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    pub(crate) start: String,
    /// Names as written, values without the white space around them.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Message {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let start = lines.next()?.to_owned();
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            match (line.starts_with([' ', '\t']), headers.last_mut()) {
                (true, Some((_, value))) => {
                    value.push(' ');
                    value.push_str(line.trim());
                }
                _ => {
                    let (name, value) = line.split_once(':')?;
                    headers.push((name.trim().to_owned(), value.trim().to_owned()));
                }
            }
        }
        Some(Self { start, headers, body: body.to_owned() })
    }

    /// Of a request.
    pub(crate) fn method(&self) -> Option<&str> {
        if self.start.starts_with("SIP/") { None } else { self.start.split(' ').next() }
    }

    /// The request's URI.
    pub(crate) fn uri(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// Of a response.
    pub(crate) fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// All values of a header, in order, those of lists one by one.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let is_it = |held: &str| {
            let held = held.to_ascii_lowercase();
            let long = SHORT.iter().find(|(short, _)| *short == held).map_or(held.as_str(), |(_, long)| long);
            long == name.to_ascii_lowercase()
        };
        let is_list = ["via", "route", "record-route", "contact"].contains(&name.to_ascii_lowercase().as_str());
        let values = self.headers.iter().filter(|(held, _)| is_it(held)).map(|(_, value)| value.as_str());
        if is_list { values.flat_map(listed).collect() } else { values.collect() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// The number and the method of its CSeq.
    pub(crate) fn cseq(&self) -> (u32, &str) {
        let mut parts = self.header("CSeq").unwrap_or_default().split_whitespace();
        let number = parts.next().and_then(|n| n.parse().ok()).unwrap_or(0);
        (number, parts.next().unwrap_or_default())
    }

    /// The tag of its From or To.
    pub(crate) fn tag(&self, name: &str) -> &str {
        self.header(name).and_then(|value| param(value, "tag")).unwrap_or_default()
    }

    pub(crate) fn branch(&self) -> &str {
        self.header("Via").and_then(|via| param(via, "branch")).unwrap_or_default()
    }
}

/// The parts of a comma-separated list; commas in brackets and quotes are not between parts.
fn listed(value: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut bracket, mut quote) = (Vec::new(), 0, false, false);
    for (at, letter) in value.char_indices() {
        match letter {
            '"' => quote = !quote,
            '<' if !quote => bracket = true,
            '>' if !quote => bracket = false,
            ',' if !quote && !bracket => {
                parts.push(value[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(value[begin..].trim());
    parts
}

/// A parameter of a header, after the URI if that is in brackets.
pub(crate) fn param<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let after = value.rsplit_once('>').map_or(value, |(_, after)| after);
    after.split(';').skip(1).find_map(|part| {
        let (held, value) = part.split_once('=').unwrap_or((part, ""));
        held.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The URI of a name-addr or addr-spec.
pub(crate) fn uri_of(value: &str) -> &str {
    match value.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or_default(),
        None => value.split(';').next().unwrap_or_default().trim(),
    }
}

/// Where a SIP URI points, if its host is an address.
pub(crate) fn address_of(uri: &str) -> Option<SocketAddr> {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = rest.split([';', '?']).next()?;
    sent_by(host)
}

/// Where a Via's sent-by points, if its host is an address.
pub(crate) fn sent_by(host: &str) -> Option<SocketAddr> {
    if let Ok(address) = host.parse() {
        return Some(address);
    }
    let ip: IpAddr = host.trim_matches(['[', ']']).parse().ok()?;
    Some(SocketAddr::new(ip, 5060))
}

/// A response: what must be copied is copied.
pub(crate) fn response(request: &Message, status: &str, tag: &str, headers: &str, body: &str) -> String {
    let mut text = format!("SIP/2.0 {status}\r\n");
    for (name, value) in &request.headers {
        let lower = name.to_ascii_lowercase();
        if ["via", "v", "from", "f", "call-id", "i", "cseq"].contains(&lower.as_str()) {
            text.push_str(&format!("{name}: {value}\r\n"));
        } else if ["to", "t"].contains(&lower.as_str()) {
            let tag =
                if tag.is_empty() || param(value, "tag").is_some() { String::new() } else { format!(";tag={tag}") };
            text.push_str(&format!("{name}: {value}{tag}\r\n"));
        }
    }
    text.push_str(headers);
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    text
}

/// Whether the other side of an INVITE knows an extension.
pub(crate) fn supports(request: &Message, extension: &str) -> bool {
    let listed =
        |name: &str| request.all(name).iter().any(|v| v.split(',').any(|e| e.trim().eq_ignore_ascii_case(extension)));
    listed("Supported") || listed("Require")
}

/// Who refreshes, by a Session-Expires.
pub(crate) fn refresher(value: &str) -> Option<&str> {
    param(value, "refresher")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_with_its_short_names_folds_and_lists() {
        let text = "INVITE sip:b@127.0.0.1:5080;transport=udp SIP/2.0\r\nv: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK1\r\n\
                    f: \"a, b\" <sip:a@x;tag=no>;tag=yes\r\nt: <sip:b@x>\r\ni: 1@x\r\nCSeq: 7 INVITE\r\n\
                    Route: <sip:127.0.0.1:1;lr>, <sip:127.0.0.1:2;lr>\r\nRoute: <sip:127.0.0.1:3;lr>\r\n\
                    r: <tel:+1;x=a%20b>\r\nSubject: one\r\n two\r\n\r\nbody";
        let message = Message::parse(text).unwrap();
        assert_eq!(message.method(), Some("INVITE"));
        assert_eq!(address_of(message.uri()), "127.0.0.1:5080".parse().ok());
        assert_eq!((message.tag("From"), message.tag("To"), message.branch()), ("yes", "", "z9hG4bK1"));
        assert_eq!(message.cseq(), (7, "INVITE"));
        assert_eq!(message.all("Route").len(), 3);
        assert_eq!(message.header("Refer-To"), Some("<tel:+1;x=a%20b>"));
        assert_eq!(message.header("Subject"), Some("one two"));
        assert_eq!(message.body, "body");
        let answer = Message::parse(&response(&message, "486 Busy Here", "t1", "X-A: y\r\n", "")).unwrap();
        assert_eq!((answer.status(), answer.tag("To"), answer.header("X-A")), (Some(486), "t1", Some("y")));
    }

    #[test]
    fn what_is_no_message_is_none() {
        for text in ["", "\r\n\r\n", "INVITE", "INVITE x SIP/2.0\r\nnonsense\r\n\r\n"] {
            assert!(Message::parse(text).is_none_or(|m| m.method() != Some("INVITE")), "{text:?}");
        }
    }
}
