//! A request of ours before it is written: everything but its branch, its way and its credentials.

use super::{
    receive::{ALLOW, SUPPORTED, SUPPORTED_WITHOUT_OFFER},
    stack_core::Stack,
};
use crate::{
    HeaderList,
    address::Address,
    flow::{Flow, Transmit},
    response::append_custom,
};
use bytes::Bytes;
use std::fmt::Write;

/// What RFC 3261 §8.1.1 has a request carry.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) method: String,
    pub(crate) uri: String,
    /// Values of Route, in order.
    pub(crate) routes: Vec<String>,
    /// With our tag.
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) call_id: String,
    pub(crate) cseq: u32,
    /// After ours.
    pub(crate) headers: HeaderList,
    pub(crate) body: Option<(String, Bytes)>,
}

/// Request-URI and Route values of a request for `target` over `routes` (RFC 3261 §12.2.1.1).
pub(crate) fn routed(target: &str, routes: &[String]) -> (String, Vec<String>) {
    let Some(first) = routes.first() else { return (target.to_owned(), Vec::new()) };
    let uri = Address::parse(first).uri.text;
    if uri.to_ascii_lowercase().split(';').any(|p| p == "lr" || p.starts_with("lr=")) {
        return (target.to_owned(), routes.to_vec());
    }
    // A strict router wants its own URI in the request line.
    let mut routes: Vec<_> = routes.get(1..).unwrap_or_default().to_vec();
    routes.push(format!("<{target}>"));
    (uri, routes)
}

impl Draft {
    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(held, _)| held.eq_ignore_ascii_case(name))
    }

    /// CANCEL or the ACK to a refusal: of the same request, with nothing of its own but headers.
    pub(crate) fn same_as(&self, method: &str, to: &str, headers: HeaderList) -> Self {
        Self {
            method: method.to_owned(),
            uri: self.uri.clone(),
            routes: self.routes.clone(),
            from: self.from.clone(),
            to: to.to_owned(),
            call_id: self.call_id.clone(),
            cseq: self.cseq,
            headers,
            body: None,
        }
    }

    /// What CANCEL and the ACK to a refusal need of it.
    pub(crate) fn head(&self) -> Self {
        self.same_as(&self.method, &self.to, Vec::new())
    }
}

/// Methods whose requests name where we are reached (RFC 3261 §8.1.1.8, RFC 3311 §5.1, RFC 3515
/// §2.2, RFC 6665 §4.1.2) and what we understand.
fn names_us(method: &str) -> bool {
    matches!(method, "INVITE" | "UPDATE" | "REFER" | "NOTIFY")
}

impl Stack {
    /// A new branch.
    pub(crate) fn branch(&mut self) -> String {
        format!("z9hG4bK{}", self.random.hex(24))
    }

    /// Writes a request down.
    pub(crate) fn written(&self, draft: &Draft, authorization: &HeaderList, branch: &str, flow: Flow) -> Transmit {
        let mut text = String::with_capacity(512);
        let (address, method) = (self.own_address(&flow), draft.method.as_str());
        // Writing into a String cannot fail.
        let _ = write!(
            text,
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/{} {address};branch={branch};rport\r\nMax-Forwards: 70\r\n",
            draft.uri,
            flow.protocol.as_str()
        );
        for route in &draft.routes {
            let _ = write!(text, "Route: {route}\r\n");
        }
        let _ = write!(
            text,
            "From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} {method}\r\n",
            draft.from, draft.to, draft.call_id, draft.cseq
        );
        if names_us(method) && !draft.has("Contact") {
            let _ = write!(text, "Contact: {}\r\n", self.contact(&flow));
        }
        if !draft.has("User-Agent") {
            let _ = write!(text, "User-Agent: {}\r\n", self.config.server);
        }
        if matches!(method, "INVITE" | "UPDATE") {
            let supported = if draft.body.is_some() { SUPPORTED } else { SUPPORTED_WITHOUT_OFFER };
            for (name, value) in [("Allow", ALLOW), ("Supported", supported)] {
                if !draft.has(name) {
                    let _ = write!(text, "{name}: {value}\r\n");
                }
            }
        }
        let headers: HeaderList = authorization.iter().chain(&draft.headers).cloned().collect();
        let body = draft.body.as_ref().map(|(kind, bytes)| (kind.as_str(), bytes.clone()));
        let body = append_custom(&mut text, &headers, body.as_ref());
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&body);
        Transmit { flow, bytes: Bytes::from(bytes) }
    }
}
