//! Building responses: what RFC 3261 §8.2.6 copies, our tag, our headers.

use crate::{Message, address::split_list, flow::Flow};
use bytes::Bytes;
use std::{fmt::Write, net::IpAddr};

/// A response in the making.
pub(crate) struct Response<'a> {
    pub(crate) request: &'a Message,
    pub(crate) flow: &'a Flow,
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
        let mut text = String::with_capacity(512);
        // Writing into a String cannot fail.
        let _ = write!(text, "SIP/2.0 {} {}\r\n", self.status, single_line(self.reason));
        for (index, via) in self.request.find("Via").enumerate() {
            let via = if index == 0 { with_source(via, self.flow) } else { via.to_owned() };
            let _ = write!(text, "Via: {via}\r\n");
        }
        if self.contact.is_some() {
            for route in self.request.find("Record-Route") {
                let _ = write!(text, "Record-Route: {route}\r\n");
            }
        }
        let to = self.request.header("To").unwrap_or_default();
        let tag = if self.tag.is_empty() || self.request.to().tag.is_some() {
            String::new()
        } else {
            format!(";tag={}", self.tag)
        };
        let from = self.request.header("From").unwrap_or_default();
        let cseq = self.request.header("CSeq").unwrap_or_default();
        let _ =
            write!(text, "From: {from}\r\nTo: {to}{tag}\r\nCall-ID: {}\r\nCSeq: {cseq}\r\n", self.request.call_id());
        if let Some(contact) = &self.contact {
            let _ = write!(text, "Contact: {contact}\r\n");
        }
        if self.status > 100 {
            let _ = write!(text, "Server: {}\r\n", self.server);
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
    let sent_by = top.split(';').next().unwrap_or_default().rsplit([' ', '\t']).next().unwrap_or_default();
    let host = match sent_by.strip_prefix('[').and_then(|h| h.split_once(']')) {
        Some((host, _)) => host,
        None => sent_by.split(':').next().unwrap_or_default(),
    };
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
