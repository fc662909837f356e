//! One whole message out of its bytes.

use crate::{
    Malformed, Message, address,
    fault::{Fault, fault},
    find::find,
    header_lines::{content_length, header_lines, trimmed},
    header_name::long_name,
    message::{Parts, Start},
    number::number,
    salvage, validate,
};
use bytes::Bytes;
use trunkline_types::limits;

impl Message {
    /// Reads one whole message: a datagram, or what [`StreamReader`](crate::StreamReader) cut out.
    ///
    /// # Errors
    /// With the status for whoever sent it and, if that can be made, the answer itself.
    pub fn parse(bytes: Bytes) -> Result<Self, Malformed> {
        parse(&bytes).map_err(|fault| salvage::malformed(&bytes, fault))
    }
}

fn parse(bytes: &Bytes) -> Result<Message, Fault> {
    if bytes.len() > limits::SIP_MESSAGE_BYTES {
        return Err(fault(513, "the message is too large"));
    }
    let head_end = find(bytes, b"\r\n\r\n").ok_or_else(|| fault(400, "the header section does not end"))?;
    let head = String::from_utf8_lossy(bytes.get(..head_end).unwrap_or_default());
    let mut lines = head.split("\r\n");
    let start = start_line(lines.next().unwrap_or_default())?;
    let headers = header_lines(lines)?;
    let body = body(bytes, head_end.saturating_add(4), &headers)?;
    let one = |name: &str| -> Option<&str> {
        headers.iter().find(|(n, _)| long_name(n).eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    };
    let cseq_text = one("CSeq").ok_or_else(|| fault(400, "CSeq is missing"))?;
    let (cseq, cseq_method) = cseq_value(cseq_text)?;
    let call_id = one("Call-ID").unwrap_or_default().to_owned();
    let message = Message::of(Parts { raw: bytes.clone(), start, headers, body, call_id, cseq, cseq_method });
    validate::check(&message)?;
    Ok(message)
}

fn start_line(line: &str) -> Result<Start, Fault> {
    if line.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("SIP/")) {
        let mut parts = line.splitn(3, ' ');
        let version = parts.next().unwrap_or_default();
        let status: u16 = parts
            .next()
            .filter(|s| s.len() == 3 && s.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|s| s.parse().ok())
            .filter(|s| (100..700).contains(s))
            .ok_or_else(|| fault(400, "the status is not a number from 100 to 699"))?;
        if !version.eq_ignore_ascii_case("SIP/2.0") {
            return Err(fault(505, "the version is not SIP/2.0"));
        }
        return Ok(Start::Response { status, reason: parts.next().unwrap_or_default().to_owned() });
    }
    let mut parts = line.split(' ');
    let (Some(method), Some(uri), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(fault(400, "the request line is not `Method URI SIP/2.0`"));
    };
    if method.is_empty() || !method.bytes().all(address::is_token) {
        return Err(fault(400, "the method is not a token"));
    }
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        let status = if is_version(version) { 505 } else { 400 };
        return Err(fault(status, "the version is not SIP/2.0"));
    }
    if uri.len() > limits::URI_BYTES {
        return Err(fault(414, "the Request-URI is too long"));
    }
    Ok(Start::Request { method: method.into(), uri: uri.into() })
}

/// `SIP/` and two numbers: another version than ours, and not merely nonsense.
fn is_version(text: &str) -> bool {
    let Some((prefix, numbers)) = text.split_at_checked(4) else { return false };
    let digits = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
    prefix.eq_ignore_ascii_case("SIP/") && numbers.split_once('.').is_some_and(|(m, n)| digits(m) && digits(n))
}

fn body(bytes: &Bytes, at: usize, headers: &[(String, String)]) -> Result<Bytes, Fault> {
    let there = bytes.len().saturating_sub(at);
    let length = content_length(headers)?.unwrap_or(there);
    if length > there {
        return Err(fault(400, "Content-Length is beyond the message"));
    }
    Ok(bytes.slice(at..at.saturating_add(length)))
}

fn cseq_value(text: &str) -> Result<(u32, String), Fault> {
    let (digits, method) = text.split_once([' ', '\t']).ok_or_else(|| fault(400, "CSeq is not `number method`"))?;
    let number = number(digits, (1 << 31) - 1)
        .and_then(|n| u32::try_from(n).ok())
        .ok_or_else(|| fault(400, "the number of CSeq is not below 2^31"))?;
    Ok((number, trimmed(method).to_owned()))
}
