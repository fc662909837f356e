//! A message: the bytes as they came, and what they say.

use crate::{Address, Malformed, address, multipart, number::number, salvage, validate, via::Via};
use bytes::Bytes;
use std::sync::Arc;
use trunkline_types::limits;

/// A SIP message. Cheap to clone; `to_bytes` gives back the very bytes that came.
#[derive(Clone, Debug)]
pub struct Message(Arc<Parts>);

#[derive(Debug)]
pub(crate) struct Parts {
    raw: Bytes,
    pub(crate) start: Start,
    /// Name as written, value unfolded and trimmed.
    pub(crate) headers: Vec<(String, String)>,
    body: Bytes,
    call_id: String,
    cseq: u32,
    cseq_method: String,
}

#[derive(Debug)]
pub(crate) enum Start {
    Request { method: String, uri: String },
    Response { status: u16, reason: String },
}

/// Long names of the compact forms (RFC 3261 §7.3.3 and later).
pub(crate) fn long_name(name: &str) -> &str {
    let [letter] = name.as_bytes() else { return name };
    match letter.to_ascii_lowercase() {
        b'v' => "Via",
        b'f' => "From",
        b't' => "To",
        b'i' => "Call-ID",
        b'm' => "Contact",
        b'l' => "Content-Length",
        b'c' => "Content-Type",
        b'e' => "Content-Encoding",
        b's' => "Subject",
        b'k' => "Supported",
        b'o' => "Event",
        b'r' => "Refer-To",
        b'b' => "Referred-By",
        b'u' => "Allow-Events",
        b'x' => "Session-Expires",
        _ => name,
    }
}

/// What is wrong with a message, before it is known whether it can be answered.
pub(crate) struct Fault {
    pub(crate) status: u16,
    pub(crate) why: String,
    /// Where the message ends is not known.
    pub(crate) unframed: bool,
}

pub(crate) fn fault(status: u16, why: impl Into<String>) -> Fault {
    Fault { status, why: why.into(), unframed: false }
}

pub(crate) fn unframed(status: u16, why: impl Into<String>) -> Fault {
    Fault { status, why: why.into(), unframed: true }
}

impl Message {
    /// Reads one whole message: a datagram, or what [`StreamReader`](crate::StreamReader) cut out.
    ///
    /// # Errors
    /// With the status for whoever sent it and, if that can be made, the answer itself.
    pub fn parse(bytes: Bytes) -> Result<Self, Malformed> {
        parse(&bytes).map_err(|fault| salvage::malformed(&bytes, fault))
    }

    /// Whether it is a request.
    pub fn is_request(&self) -> bool {
        matches!(self.0.start, Start::Request { .. })
    }

    /// The method; of a response, that of its CSeq.
    pub fn method(&self) -> &str {
        match &self.0.start {
            Start::Request { method, .. } => method,
            Start::Response { .. } => &self.0.cseq_method,
        }
    }

    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        match &self.0.start {
            Start::Request { .. } => None,
            Start::Response { status, .. } => Some(*status),
        }
    }

    /// The reason phrase of a response.
    pub fn reason(&self) -> &str {
        match &self.0.start {
            Start::Request { .. } => "",
            Start::Response { reason, .. } => reason,
        }
    }

    /// The Request-URI of a request, verbatim.
    pub fn request_uri(&self) -> &str {
        match &self.0.start {
            Start::Request { uri, .. } => uri,
            Start::Response { .. } => "",
        }
    }

    /// The first line.
    pub fn start_line(&self) -> String {
        let end = self.0.raw.iter().position(|b| *b == b'\r' || *b == b'\n').unwrap_or(self.0.raw.len());
        String::from_utf8_lossy(self.0.raw.get(..end).unwrap_or_default()).into_owned()
    }

    /// The first value of a header, compact forms included; unfolded.
    pub fn header(&self, name: &str) -> Option<String> {
        self.find(name).next().map(str::to_owned)
    }

    /// All values of a header, one per line.
    pub fn header_values(&self, name: &str) -> Vec<String> {
        self.find(name).map(str::to_owned).collect()
    }

    pub(crate) fn find<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let wanted = long_name(name);
        self.0.headers.iter().filter(move |(n, _)| long_name(n).eq_ignore_ascii_case(wanted)).map(|(_, v)| v.as_str())
    }

    /// All headers in order; compact names are written out.
    pub fn headers(&self) -> Vec<(String, String)> {
        self.0.headers.iter().map(|(name, value)| (long_name(name).to_owned(), value.clone())).collect()
    }

    /// The body.
    pub fn body(&self) -> Bytes {
        self.0.body.clone()
    }

    /// The media type of the body.
    pub fn content_type(&self) -> Option<String> {
        self.header("Content-Type")
    }

    /// The SDP, also from within a multipart body.
    pub fn sdp(&self) -> Option<Bytes> {
        if self.0.body.is_empty() {
            return None;
        }
        let kind = self.content_type().unwrap_or_else(|| "application/sdp".into());
        multipart::sdp(&kind, &self.0.body, 0)
    }

    /// Call-ID.
    pub fn call_id(&self) -> &str {
        &self.0.call_id
    }

    /// The number of CSeq.
    pub fn cseq(&self) -> u32 {
        self.0.cseq
    }

    /// From.
    pub fn from(&self) -> Address {
        Address::parse(&self.header("From").unwrap_or_default())
    }

    /// To.
    pub fn to(&self) -> Address {
        Address::parse(&self.header("To").unwrap_or_default())
    }

    /// The first Contact.
    pub fn contact(&self) -> Option<Address> {
        let value = self.header("Contact")?;
        address::split_list(&value).first().map(|first| Address::parse(first))
    }

    /// All Contacts, in order.
    pub fn contacts(&self) -> Vec<Address> {
        self.find("Contact").flat_map(address::split_list).map(Address::parse).collect()
    }

    /// The bytes as they came.
    pub fn to_bytes(&self) -> Bytes {
        self.0.raw.clone()
    }

    /// The hop the message came from.
    pub(crate) fn top_via(&self) -> Via<'_> {
        let value = self.find("Via").next().unwrap_or_default();
        Via::read(address::split_list(value).first().copied().unwrap_or_default())
    }

    /// The branch of the top Via; empty if there is none.
    pub(crate) fn branch(&self) -> &str {
        self.top_via().parameter("branch").unwrap_or_default()
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
    let message = Message(Arc::new(Parts { raw: bytes.clone(), start, headers, body, call_id, cseq, cseq_method }));
    validate::check(&message, &message.0)?;
    Ok(message)
}

impl Parts {
    pub(crate) fn cseq_method(&self) -> &str {
        &self.cseq_method
    }
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

/// White space of SIP; others' white space is part of the value.
fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// The headers of a header section without its first line.
pub(crate) fn header_lines<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<(String, String)>, Fault> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in lines {
        if line.len() > limits::SIP_HEADER_BYTES {
            return Err(fault(400, "a header line is too long"));
        }
        if line.contains(['\r', '\n']) {
            // Others take a bare CR or LF for the end of a line, and would read other headers.
            return Err(fault(400, "a header line has a bare CR or LF"));
        }
        if line.starts_with([' ', '\t']) {
            let Some((_, value)) = headers.last_mut() else {
                return Err(fault(400, "the first header line is folded"));
            };
            let folded = trimmed(line);
            if value.len().saturating_add(folded.len()) > limits::SIP_HEADER_BYTES {
                return Err(fault(400, "a header line is too long"));
            }
            if !value.is_empty() && !folded.is_empty() {
                value.push(' ');
            }
            value.push_str(folded);
            continue;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| fault(400, "a header line has no colon"))?;
        let name = name.trim_end_matches([' ', '\t']);
        if name.is_empty() || !name.bytes().all(address::is_token) {
            return Err(fault(400, "a header's name is not a token"));
        }
        if headers.len() >= limits::SIP_HEADERS {
            return Err(fault(400, "there are too many headers"));
        }
        headers.push((name.into(), trimmed(value).into()));
    }
    Ok(headers)
}

fn body(bytes: &Bytes, at: usize, headers: &[(String, String)]) -> Result<Bytes, Fault> {
    let there = bytes.len().saturating_sub(at);
    let length = content_length(headers)?.unwrap_or(there);
    if length > there {
        return Err(fault(400, "Content-Length is beyond the message"));
    }
    Ok(bytes.slice(at..at.saturating_add(length)))
}

/// What Content-Length says, if it is there: for datagrams and streams the same reading.
pub(crate) fn content_length(headers: &[(String, String)]) -> Result<Option<usize>, Fault> {
    let mut length = None;
    for (_, value) in headers.iter().filter(|(n, _)| long_name(n).eq_ignore_ascii_case("Content-Length")) {
        let stated = number(value, u64::MAX)
            .and_then(|n| usize::try_from(n).ok())
            .ok_or_else(|| unframed(400, "Content-Length is not a number"))?;
        if length.is_some_and(|held| held != stated) {
            return Err(unframed(400, "two values of Content-Length differ"));
        }
        length = Some(stated);
    }
    Ok(length)
}

fn cseq_value(text: &str) -> Result<(u32, String), Fault> {
    let (digits, method) = text.split_once([' ', '\t']).ok_or_else(|| fault(400, "CSeq is not `number method`"))?;
    let number = number(digits, (1 << 31) - 1)
        .and_then(|n| u32::try_from(n).ok())
        .ok_or_else(|| fault(400, "the number of CSeq is not below 2^31"))?;
    Ok((number, trimmed(method).to_owned()))
}

/// Where `needle` begins.
pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}
