//! What a request of ours that begins something is made of.

use super::draft::{Draft, routed};
use crate::{HeaderList, flow::Flow};
use bytes::Bytes;
use std::{fmt, net::IpAddr};

/// A user's name and password, and those who may ask for it (`trust`: credentials belong to the
/// trunk's own peers; a challenge from anybody else is not answered).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub username: String,
    /// The password.
    pub password: String,
    /// Addresses whose challenges are answered.
    pub peers: Vec<IpAddr>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("peers", &self.peers).finish_non_exhaustive()
    }
}

/// A request outside any dialog, and of an INVITE the dialogs it makes.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Call-ID.
    pub call_id: String,
    /// The tag of From.
    pub local_tag: String,
    /// The Request-URI, byte for byte.
    pub request_uri: String,
    /// The value of From without its tag: a name-addr.
    pub from: String,
    /// The value of To.
    pub to: String,
    /// Values of Route, in order.
    pub routes: Vec<String>,
    /// Headers of the request, after ours.
    pub headers: HeaderList,
    /// Its body with its type.
    pub body: Option<(String, Bytes)>,
    /// The way of the first attempt.
    pub flow: Flow,
    /// Who we are, if the trunk asks.
    pub credentials: Option<Credentials>,
}

impl Outgoing {
    pub(crate) fn draft(self, method: &str, cseq: u32) -> Draft {
        let (uri, routes) = routed(&self.request_uri, &self.routes);
        Draft {
            method: method.to_owned(),
            uri,
            routes,
            from: format!("{};tag={}", self.from, self.local_tag),
            to: self.to,
            call_id: self.call_id,
            cseq,
            headers: self.headers,
            body: self.body,
        }
    }
}
