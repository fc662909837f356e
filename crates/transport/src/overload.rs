//! The answer to a new INVITE that nobody has time for, made from its bytes alone.
//!
//! It stands outside the transaction layer: stateless, with a To tag that is the same for every
//! retransmission (RFC 3261 §8.2.7). The ACK that follows is absorbed like any stray ACK.

use bytes::Bytes;
use std::{
    collections::hash_map::DefaultHasher,
    fmt::Write,
    hash::{Hash, Hasher},
    net::SocketAddr,
};

/// Seconds until the peer shall try again.
const RETRY_AFTER: u32 = 5;

/// What an answer copies from its request.
#[derive(Default)]
struct Copied {
    vias: Vec<String>,
    from: Option<String>,
    to: Option<String>,
    call_id: Option<String>,
    cseq: Option<String>,
}

/// The 503 to a new INVITE; `None` for everything else, an INVITE inside a dialog included.
pub(crate) fn answer(raw: &[u8], remote: SocketAddr) -> Option<Bytes> {
    if !raw.starts_with(b"INVITE ") {
        return None;
    }
    let copied = copy(std::str::from_utf8(head(raw)).ok()?);
    let (from, to) = (copied.from?, copied.to?);
    let (call_id, cseq) = (copied.call_id?, copied.cseq?);
    if has_parameter(&to, "tag") {
        return None;
    }
    let (top, others) = copied.vias.split_first()?;
    let mut hasher = DefaultHasher::new();
    (top, &call_id, &cseq).hash(&mut hasher);
    let tag = hasher.finish();

    let mut text = format!("SIP/2.0 503 Service Unavailable\r\nVia: {}\r\n", stamped(top, remote));
    for via in others {
        let _ = write!(text, "Via: {via}\r\n");
    }
    let _ = write!(
        text,
        "From: {from}\r\nTo: {to};tag={tag:016x}\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\n\
         Retry-After: {RETRY_AFTER}\r\nContent-Length: 0\r\n\r\n"
    );
    Some(text.into())
}

/// The bytes before the empty line.
fn head(raw: &[u8]) -> &[u8] {
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(raw.len());
    raw.get(..end).unwrap_or(raw)
}

fn copy(head: &str) -> Copied {
    let mut copied = Copied::default();
    // A line that begins with white space continues the one before it (RFC 3261 §7.3.1).
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    for line in unfolded.split("\r\n").skip(1) {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim().to_owned();
        match name.trim_end().to_ascii_lowercase().as_str() {
            "via" | "v" => copied.vias.push(value),
            "from" | "f" => copied.from = Some(value),
            "to" | "t" => copied.to = Some(value),
            "call-id" | "i" => copied.call_id = Some(value),
            "cseq" => copied.cseq = Some(value),
            _ => {}
        }
    }
    copied
}

/// Whether a From or To value has the header parameter `name`: one behind the `>`, or behind the
/// first `;` when the URI stands without brackets.
fn has_parameter(value: &str, name: &str) -> bool {
    let parameters = match value.rfind('>') {
        Some(end) => value.get(end..).unwrap_or_default(),
        None => value,
    };
    parameters
        .split(';')
        .skip(1)
        .any(|parameter| parameter.split('=').next().unwrap_or_default().trim().eq_ignore_ascii_case(name))
}

/// The topmost Via entry with the address it really came from (RFC 3261 §18.2.1, RFC 3581 §4).
fn stamped(via: &str, remote: SocketAddr) -> String {
    let (first, rest) = match via.split_once(',') {
        Some((first, rest)) => (first, Some(rest)),
        None => (via, None),
    };
    let mut stamped = String::with_capacity(via.len() + 48);
    for (index, part) in first.split(';').enumerate() {
        let name = part.split('=').next().unwrap_or_default().trim();
        if index > 0 && name.eq_ignore_ascii_case("received") {
            continue;
        }
        if index > 0 {
            stamped.push(';');
        }
        if index > 0 && name.eq_ignore_ascii_case("rport") {
            let _ = write!(stamped, "rport={}", remote.port());
        } else {
            stamped.push_str(part);
        }
    }
    let stamp = stamped.trim_end().len();
    stamped.truncate(stamp);
    let _ = write!(stamped, ";received={}", remote.ip());
    if let Some(rest) = rest {
        let _ = write!(stamped, ",{rest}");
    }
    stamped
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:+1@example.net SIP/2.0\r\n\
        Via: SIP/2.0/UDP a.example;branch=z9hG4bK1;rport , SIP/2.0/UDP b.example\r\n\
        v: SIP/2.0/UDP c.example\r\n\
        Max-Forwards: 70\r\n\
        f: \"A;tag=no\" <sip:a@example.net>;tag=1\r\n\
        To: \"x;tag=y\"\r\n <sip:b@example.net;tag=uri>\r\n\
        i: abc@example.net\r\n\
        CSeq: 3 INVITE\r\n\
        Content-Length: 3\r\n\r\nTo:";

    fn remote() -> SocketAddr {
        "192.0.2.7:5099".parse().unwrap()
    }

    #[test]
    fn a_new_invite_is_told_to_come_again() {
        let text = String::from_utf8(answer(INVITE.as_bytes(), remote()).unwrap().to_vec()).unwrap();
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(lines[0], "SIP/2.0 503 Service Unavailable");
        assert_eq!(
            lines[1],
            "Via: SIP/2.0/UDP a.example;branch=z9hG4bK1;rport=5099;received=192.0.2.7, SIP/2.0/UDP b.example"
        );
        assert_eq!(lines[2], "Via: SIP/2.0/UDP c.example");
        assert_eq!(lines[3], "From: \"A;tag=no\" <sip:a@example.net>;tag=1");
        assert!(lines[4].starts_with("To: \"x;tag=y\" <sip:b@example.net;tag=uri>;tag="), "{}", lines[4]);
        assert_eq!(lines[5], "Call-ID: abc@example.net");
        assert_eq!(lines[6], "CSeq: 3 INVITE");
        assert_eq!(lines[7], "Retry-After: 5");
        assert!(text.ends_with("\r\n\r\n"));
        assert_eq!(answer(INVITE.as_bytes(), remote()).unwrap(), text, "a retransmission gets the same");
    }

    #[test]
    fn nothing_else_is() {
        let within = INVITE.replace("tag=uri>", "tag=uri>;Tag=2");
        let bare =
            INVITE.replace("<sip:b@example.net;tag=uri>", "").replace("\"x;tag=y\"\r\n ", "sip:b@example.net;tag=2");
        for text in [
            within.as_str(),
            bare.as_str(),
            &INVITE.replace("INVITE sip", "BYE sip"),
            &INVITE.replace("i: abc", "x: abc"),
            "INVITE ",
            "INVITE sip:a SIP/2.0\r\n\r\n",
            "",
        ] {
            assert!(answer(text.as_bytes(), remote()).is_none(), "{text}");
        }
    }
}
