//! A message: the bytes as they came, and what they say.

use crate::{Address, address, header_name::long_name, multipart, via::Via};
use bytes::Bytes;
use std::sync::Arc;

/// A SIP message. Cheap to clone; `to_bytes` gives back the very bytes that came.
#[derive(Clone, Debug)]
pub struct Message(Arc<Parts>);

#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) raw: Bytes,
    pub(crate) start: Start,
    /// Name as written, value unfolded and trimmed.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    pub(crate) call_id: String,
    pub(crate) cseq: u32,
    pub(crate) cseq_method: String,
}

#[derive(Debug)]
pub(crate) enum Start {
    Request { method: String, uri: String },
    Response { status: u16, reason: String },
}

impl Message {
    pub(crate) fn of(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.0
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
