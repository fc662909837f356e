//! What does not parse is answered with what can be read of it, or not at all.

use crate::{address, fault::Fault, header_name::long_name};
use bytes::Bytes;
use trunkline_types::limits;

/// A message that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// 400, 413, 414, 501, 505 or 513.
    pub status: u16,
    /// What is wrong.
    pub why: String,
    /// A complete answer with a To-tag; `None`: drop the message.
    pub answer: Option<Bytes>,
    /// The framing of a stream is lost: close it.
    pub close: bool,
}

pub(crate) fn malformed(bytes: &[u8], fault: Fault) -> Malformed {
    Malformed { answer: answer(bytes, &fault), status: fault.status, why: fault.why, close: fault.unframed }
}

/// A stateless answer from the Via, From, To, Call-ID and CSeq lines, verbatim. From, To and
/// Call-ID may be missing as long as Via and CSeq are there (RFC 4475 §3.3.1).
fn answer(bytes: &[u8], fault: &Fault) -> Option<Bytes> {
    let text = String::from_utf8_lossy(bytes.get(..bytes.len().min(limits::SIP_MESSAGE_BYTES)).unwrap_or_default());
    let mut lines = text.split('\n').map(|l| l.strip_suffix('\r').unwrap_or(l));
    let start = lines.next()?;
    if start.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("SIP/")) || start.starts_with("ACK ") {
        return None;
    }
    let mut kept: Vec<(&str, String)> = Vec::new();
    for line in lines.take(limits::SIP_HEADERS.saturating_mul(2)) {
        if line.is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = kept.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
            continue;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        let name = long_name(name.trim());
        let known = ["Via", "From", "To", "Call-ID", "CSeq"].into_iter().find(|k| k.eq_ignore_ascii_case(name));
        let Some(known) = known else {
            kept.push(("", String::new()));
            continue;
        };
        if known == "Via" || !kept.iter().any(|(n, _)| *n == known) {
            // A bare CR would end a line for whoever reads the answer leniently.
            kept.push((known, value.trim().replace(['\r', '\0'], " ")));
        }
    }
    let has = |name: &str| kept.iter().any(|(n, v)| *n == name && !v.is_empty());
    if !has("Via") || !has("CSeq") {
        return None;
    }
    let phrase = match fault.status {
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        501 => "Not Implemented",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        _ => "Bad Request",
    };
    let mut response = format!("SIP/2.0 {} {phrase}\r\n", fault.status);
    for (name, value) in kept.iter().filter(|(n, _)| !n.is_empty()) {
        let tagged = *name == "To" && address::Address::parse(value).tag.is_none();
        response.push_str(&format!("{name}: {value}{}\r\n", if tagged { ";tag=malformed" } else { "" }));
    }
    response
        .push_str(&format!("Warning: 399 trunkline \"{}\"\r\nContent-Length: 0\r\n\r\n", fault.why.replace('"', "'")));
    Some(Bytes::from(response))
}
