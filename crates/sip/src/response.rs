//! Building responses: what RFC 3261 §8.2.6 copies, our tag, our headers.

use crate::{Message, address::split_list, flow::Flow, via::Via};
use bytes::Bytes;
use std::{fmt::Write, net::IpAddr};

/// What a response copies from its request (RFC 3261 §8.2.6.2): all that is kept of a request that
/// waits for its answer.
#[derive(Debug, Default)]
pub(crate) struct Copied {
    /// Whole lines, the first with its source.
    vias: String,
    /// Whole lines.
    record_routes: String,
    from: String,
    to: String,
    to_is_tagged: bool,
    pub(crate) call_id: String,
    cseq: String,
    /// For a 100 only (RFC 3261 §8.2.6.1).
    timestamp: Option<String>,
}

impl Copied {
    pub(crate) fn of(request: &Message, flow: &Flow) -> Self {
        let (mut vias, mut record_routes) = (String::new(), String::new());
        // Writing into a String cannot fail.
        for (index, via) in request.find("Via").enumerate() {
            let via = if index == 0 { with_source(via, flow) } else { via.to_owned() };
            let _ = write!(vias, "Via: {via}\r\n");
        }
        for route in request.find("Record-Route") {
            let _ = write!(record_routes, "Record-Route: {route}\r\n");
        }
        let legal = |t: &String| t.bytes().all(|b| b.is_ascii_digit() || b".+- ".contains(&b));
        Self {
            vias,
            record_routes,
            from: request.header("From").unwrap_or_default(),
            to: request.header("To").unwrap_or_default(),
            to_is_tagged: request.to().tag.is_some(),
            call_id: request.call_id().to_owned(),
            cseq: request.header("CSeq").unwrap_or_default(),
            timestamp: request.header("Timestamp").filter(legal),
        }
    }
}

/// A response in the making.
pub(crate) struct Response<'a> {
    pub(crate) copied: &'a Copied,
    pub(crate) status: u16,
    pub(crate) reason: &'a str,
    /// Our tag; empty for 100.
    pub(crate) tag: &'a str,
    pub(crate) headers: &'a [(String, String)],
    pub(crate) body: Option<(&'a str, Bytes)>,
    pub(crate) server: &'a str,
    /// Given for responses that make a dialog: Contact, and Record-Route is copied.
    pub(crate) contact: Option<String>,
}

impl Response<'_> {
    pub(crate) fn build(&self) -> Bytes {
        let copied = self.copied;
        let mut text = String::with_capacity(512);
        let _ = write!(text, "SIP/2.0 {} {}\r\n{}", self.status, single_line(self.reason), copied.vias);
        if self.contact.is_some() {
            text.push_str(&copied.record_routes);
        }
        let _ = write!(text, "From: {}\r\nTo: {}", copied.from, copied.to);
        if !self.tag.is_empty() && !copied.to_is_tagged {
            let _ = write!(text, ";tag={}", self.tag);
        }
        let _ = write!(text, "\r\nCall-ID: {}\r\nCSeq: {}\r\n", copied.call_id, copied.cseq);
        if let Some(contact) = &self.contact {
            let _ = write!(text, "Contact: {contact}\r\n");
        }
        if self.status > 100 {
            let _ = write!(text, "Server: {}\r\n", self.server);
        } else if let Some(timestamp) = &copied.timestamp {
            let _ = write!(text, "Timestamp: {timestamp}\r\n");
        }
        let body = append_custom(&mut text, self.headers, self.body.as_ref());
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&body);
        Bytes::from(bytes)
    }
}

/// Appends custom headers, those of the body and the empty line; gives back the body.
pub(crate) fn append_custom(text: &mut String, headers: &[(String, String)], body: Option<&(&str, Bytes)>) -> Bytes {
    for (name, value) in headers {
        // The last guard against injection: what could end a line does not get on the wire.
        let legal = !name.is_empty() && name.bytes().all(crate::address::is_token);
        if legal && !value.contains(['\r', '\n', '\0']) {
            let _ = write!(text, "{name}: {value}\r\n");
        }
    }
    let bytes = body.map(|(_, bytes)| bytes.clone()).unwrap_or_default();
    if let Some((kind, _)) = body {
        let _ = write!(text, "Content-Type: {kind}\r\n");
    }
    let _ = write!(text, "Content-Length: {}\r\n\r\n", bytes.len());
    bytes
}

fn single_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// `received` and `rport` on the first hop (RFC 3581 §4, RFC 3261 §18.2.1); the rest is untouched.
pub(crate) fn with_source(via: &str, flow: &Flow) -> String {
    let hops = split_list(via);
    let Some(top) = hops.first() else { return via.to_owned() };
    let source = flow.remote.ip().to_canonical();
    let mut rport = false;
    let mut parts: Vec<String> = Vec::new();
    for (index, part) in top.split(';').enumerate() {
        let name = part.split('=').next().unwrap_or_default().trim();
        if index > 0 && name.eq_ignore_ascii_case("rport") {
            rport = true;
            parts.push(format!("rport={}", flow.remote.port()));
        } else if index > 0 && name.eq_ignore_ascii_case("received") {
        } else {
            parts.push(part.to_owned());
        }
    }
    let host = Via::read(top).host;
    if rport || host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical()) != Some(source) {
        parts.push(format!("received={source}"));
    }
    let mut value = parts.join(";");
    for hop in hops.get(1..).unwrap_or_default() {
        value.push_str(", ");
        value.push_str(hop);
    }
    value
}
