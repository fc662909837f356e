//! Dialogs (RFC 3261 §12).

use super::{
    acknowledge::AckDue,
    calling::Attempt,
    draft::{Draft, routed},
};
use crate::{
    HeaderList, Message, Uri,
    address::{Address, split_list},
    digest::Login,
    flow::{Flow, Protocol},
};
use bytes::Bytes;
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

/// A dialog, whoever began it.
#[derive(Debug)]
pub(crate) struct Dialog {
    /// Our side: the To of the INVITE, with our tag, or our From.
    pub(crate) local: String,
    /// Their side: the From of the INVITE, or the To of the answer.
    pub(crate) remote: String,
    /// Contact of the far end.
    pub(crate) target: Uri,
    pub(crate) routes: Vec<String>,
    pub(crate) local_cseq: u32,
    /// Of the last request of theirs; `None` before the first.
    pub(crate) remote_cseq: Option<u32>,
    pub(crate) flow: Flow,
    /// The INVITE transaction of theirs whose 2xx is unacknowledged.
    pub(crate) unacknowledged: Option<u64>,
    /// The INVITE transaction of theirs that was opened last.
    pub(crate) serving: Option<u64>,
    /// We began it, and made its Call-ID.
    pub(crate) is_ours: bool,
    /// The INVITE of ours that has no final answer yet.
    pub(crate) calling: Option<u64>,
    /// The 2xx to an INVITE of ours waits for its ACK.
    pub(crate) ack_due: Option<AckDue>,
    /// The UPDATE of theirs that came last, and the one of ours that brought an offer last.
    pub(crate) updating: Option<u64>,
    pub(crate) our_update: Option<u64>,
    /// Of which INVITE of ours, and the number of its last reliable provisional answer.
    pub(crate) rseq: Option<(u32, u32)>,
    /// Who we are for the far end; only where the owner gave credentials.
    pub(crate) login: Option<Box<Login>>,
    /// Addresses from which its requests may come.
    peers: Vec<IpAddr>,
}

fn record_routes(message: &Message) -> Vec<String> {
    message
        .header_values("Record-Route")
        .iter()
        .flat_map(|value| split_list(value).into_iter().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

impl Dialog {
    /// From an INVITE outside any dialog; [`Self::tagged`] makes it one.
    pub(crate) fn new(invite: &Message, flow: Flow) -> Self {
        let target = invite.contact().map_or_else(|| invite.from().uri, |c| c.uri);
        let mut dialog = Self {
            local: invite.header("To").unwrap_or_default(),
            remote: invite.header("From").unwrap_or_default(),
            target,
            routes: record_routes(invite),
            local_cseq: 0,
            remote_cseq: Some(invite.cseq()),
            flow,
            unacknowledged: None,
            serving: None,
            is_ours: false,
            calling: None,
            ack_due: None,
            updating: None,
            our_update: None,
            rseq: None,
            login: None,
            peers: Vec::new(),
        };
        dialog.learn_peers(&[flow.remote.ip()]);
        dialog
    }

    /// From an answer to an INVITE of ours (RFC 3261 §12.1.2).
    pub(crate) fn of_answer(attempt: &Attempt, answer: &Message, from: Flow) -> Self {
        let target = answer.contact().map_or_else(|| Uri::parse(&attempt.head.uri), |c| c.uri);
        let mut routes = record_routes(answer);
        routes.reverse();
        let sent = attempt.flow;
        let same = from.protocol == sent.protocol && from.remote == sent.remote;
        let connection = if same { from.connection } else { sent.connection };
        let mut dialog = Self {
            local: attempt.head.from.clone(),
            remote: answer.header("To").unwrap_or_default(),
            target,
            routes,
            local_cseq: attempt.head.cseq,
            remote_cseq: None,
            flow: Flow { connection, ..sent },
            unacknowledged: None,
            serving: None,
            is_ours: true,
            calling: None,
            ack_due: None,
            updating: None,
            our_update: None,
            rseq: None,
            login: attempt.login.clone(),
            peers: attempt.login.as_ref().map(|l| l.peers().to_vec()).unwrap_or_default(),
        };
        dialog.learn_peers(&[sent.remote.ip(), from.remote.ip()]);
        dialog
    }

    fn learn_peers(&mut self, more: &[IpAddr]) {
        self.peers.extend(more.iter().map(IpAddr::to_canonical));
        self.peers.extend(self.routes.iter().filter_map(|r| Address::parse(r).uri.host.parse::<IpAddr>().ok()));
        self.peers.extend(self.target.host.parse::<IpAddr>().ok());
        self.peers.sort_unstable();
        self.peers.dedup();
    }

    /// With our tag.
    pub(crate) fn tagged(mut self, tag: &str) -> Self {
        self.local.push_str(";tag=");
        self.local.push_str(tag);
        self
    }

    /// An early dialog of ours is confirmed by the 2xx that `fresh` was made from (RFC 3261
    /// §13.2.2.4): everything is the 2xx's but what has been counted.
    pub(crate) fn confirm(&mut self, fresh: Self) {
        let (local_cseq, remote_cseq) = (self.local_cseq.max(fresh.local_cseq), self.remote_cseq);
        let (login, rseq) = (self.login.take().or(fresh.login), self.rseq);
        *self = Self { local_cseq, remote_cseq, login, rseq, ..fresh };
    }

    /// A request that moves the target, or the 2xx to one of ours (RFC 3261 §12.2, RFC 3311 §5).
    pub(crate) fn refresh(&mut self, message: &Message, from: Flow) {
        let Some(contact) = message.contact() else { return };
        self.target = contact.uri;
        // Of a connection of ours the local end is no address that others could reach.
        let keeps_local = self.is_ours && from.protocol == self.flow.protocol;
        let local = if keeps_local { self.flow.local } else { from.local };
        if message.is_request() || from.remote == self.flow.remote {
            self.flow = Flow { local, ..from };
        }
        if self.is_ours {
            self.peers.extend(self.target.host.parse::<IpAddr>().ok());
            self.peers.dedup();
        }
    }

    /// Whether a request from there can be the far end's.
    pub(crate) fn is_peer(&self, ip: IpAddr) -> bool {
        self.peers.contains(&ip.to_canonical())
    }

    /// Credentials that were told before, if they may be told on this way, too.
    pub(crate) fn may_repeat(&self, authorization: HeaderList, way: &Flow) -> HeaderList {
        if self.login.as_ref().is_some_and(|l| l.may_tell(way)) { authorization } else { Vec::new() }
    }

    /// Request-URI and Route values of a request of ours.
    pub(crate) fn route(&self) -> (String, Vec<String>) {
        routed(&self.target.text, &self.routes)
    }

    /// A request of ours with the next number.
    pub(crate) fn draft(
        &mut self,
        id: &DialogId,
        method: &str,
        headers: &[(String, String)],
        body: Option<(&str, Bytes)>,
    ) -> Draft {
        self.local_cseq = self.local_cseq.saturating_add(1);
        let (uri, routes) = self.route();
        Draft {
            method: method.to_owned(),
            uri,
            routes,
            from: self.local.clone(),
            to: self.remote.clone(),
            call_id: id.call_id.clone(),
            cseq: self.local_cseq,
            headers: headers.to_vec(),
            body: body.map(|(kind, bytes)| (kind.to_owned(), bytes)),
        }
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
        let named = if hop.scheme == "sips" { Some(Protocol::Tls) } else { hop.transport };
        let protocol = named.unwrap_or(self.flow.protocol);
        let port = hop.port.unwrap_or(protocol.default_port());
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
