//! Dialogs (RFC 3261 §12).

use crate::{
    Message, Uri,
    address::{Address, split_list},
    flow::{Flow, Protocol},
};
use std::net::{IpAddr, SocketAddr};

/// The full identity of a dialog.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialogId {
    /// Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// The far end's tag.
    pub remote_tag: String,
}

impl DialogId {
    /// The dialog a request from the far end belongs to.
    pub(crate) fn of_request(message: &Message) -> Self {
        Self {
            call_id: message.call_id().to_owned(),
            local_tag: message.to().tag.unwrap_or_default(),
            remote_tag: message.from().tag.unwrap_or_default(),
        }
    }
}

/// A dialog that the far end began.
#[derive(Debug)]
pub(crate) struct Dialog {
    /// Our side: the To of the INVITE, with our tag.
    pub(crate) local: String,
    /// Their side: the From of the INVITE.
    pub(crate) remote: String,
    /// Contact of the far end.
    pub(crate) target: Uri,
    pub(crate) routes: Vec<String>,
    pub(crate) local_cseq: u32,
    pub(crate) remote_cseq: u32,
    pub(crate) flow: Flow,
    /// The INVITE transaction whose 2xx is unacknowledged.
    pub(crate) unacknowledged: Option<u64>,
    /// Addresses from which its requests may come.
    peers: Vec<IpAddr>,
}

impl Dialog {
    /// From an INVITE outside any dialog; [`Self::tagged`] makes it one.
    pub(crate) fn new(invite: &Message, flow: Flow) -> Self {
        let local = invite.header("To").unwrap_or_default();
        let routes: Vec<_> = invite
            .header_values("Record-Route")
            .iter()
            .flat_map(|value| split_list(value).into_iter().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        let target = invite.contact().map_or_else(|| invite.from().uri, |c| c.uri);
        let mut peers = vec![flow.remote.ip().to_canonical()];
        peers.extend(routes.iter().filter_map(|r| Address::parse(r).uri.host.parse::<IpAddr>().ok()));
        peers.extend(target.host.parse::<IpAddr>().ok());
        Self {
            local,
            remote: invite.header("From").unwrap_or_default(),
            target,
            routes,
            local_cseq: 0,
            remote_cseq: invite.cseq(),
            flow,
            unacknowledged: None,
            peers,
        }
    }

    /// With our tag.
    pub(crate) fn tagged(mut self, tag: &str) -> Self {
        self.local.push_str(";tag=");
        self.local.push_str(tag);
        self
    }

    /// Whether a request from there can be the far end's.
    pub(crate) fn is_peer(&self, ip: IpAddr) -> bool {
        self.peers.contains(&ip.to_canonical())
    }

    /// Request-URI and Route values of a request of ours (RFC 3261 §12.2.1.1).
    pub(crate) fn route(&self) -> (String, Vec<String>) {
        let Some(first) = self.routes.first() else { return (self.target.text.clone(), Vec::new()) };
        let uri = Address::parse(first).uri.text;
        if uri.to_ascii_lowercase().split(';').any(|p| p == "lr" || p.starts_with("lr=")) {
            return (self.target.text.clone(), self.routes.clone());
        }
        // A strict router wants its own URI in the request line.
        let mut routes: Vec<_> = self.routes.get(1..).unwrap_or_default().to_vec();
        routes.push(format!("<{}>", self.target.text));
        (uri, routes)
    }

    /// The way of a request of ours. One too large for a datagram goes in fragments when nobody
    /// named TCP.
    pub(crate) fn way(&self) -> Flow {
        let hop = self.routes.first().map_or_else(|| self.target.clone(), |r| Address::parse(r).uri);
        let Ok(ip) = hop.host.parse::<IpAddr>() else { return self.flow };
        let source = self.flow.remote.ip().to_canonical();
        if ip.is_unspecified() || (is_private(ip) && ip != source && !is_private(source)) {
            return self.flow;
        }
        let protocol = hop.transport.unwrap_or(self.flow.protocol);
        let port = hop.port.unwrap_or(if protocol == Protocol::Tls { 5061 } else { 5060 });
        let remote = SocketAddr::new(ip, port);
        if protocol.is_reliable() && protocol == self.flow.protocol && ip == source {
            // The connection the far end made is its own way back.
            return self.flow;
        }
        let connection = 0;
        let local =
            if protocol == self.flow.protocol { self.flow.local } else { SocketAddr::new(self.flow.local.ip(), 0) };
        Flow { protocol, local, remote, connection }
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local() || ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}
