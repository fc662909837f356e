//! Questions to the DNS: what is asked for a next hop, who asks, and which are open.

use crate::port::QueryId;
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};
use trunkline_sip::{
    Uri,
    flow::Protocol,
    locate::{Query, Target},
};
use trunkline_types::{CallId, TrunkId};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    Call(CallId),
    /// To register, or to probe its targets.
    Trunk(TrunkId),
}

/// The open ones.
#[derive(Default)]
pub(super) struct Questions {
    open: BTreeMap<QueryId, (Asker, Query)>,
    last: QueryId,
}

impl Questions {
    pub(super) fn ask(&mut self, asker: Asker, query: Query) -> QueryId {
        self.last = self.last.wrapping_add(1);
        self.open.insert(self.last, (asker, query));
        self.last
    }

    pub(super) fn answered(&mut self, number: QueryId) -> Option<(Asker, Query)> {
        self.open.remove(&number)
    }

    /// Forgets what a call asked.
    pub(super) fn forget(&mut self, id: &CallId) {
        self.open.retain(|_, (asker, _)| !matches!(asker, Asker::Call(call) if call == id));
    }
}

/// What to ask for a next hop; `transport` is the trunk's, for a URI that names none.
pub(super) fn query_of(uri: &str, transport: i32) -> Query {
    let uri = Uri::parse(uri);
    let of_trunk = match transport {
        1 => Some(Protocol::Udp),
        2 => Some(Protocol::Tcp),
        3 => Some(Protocol::Tls),
        _ => None,
    };
    let secure = uri.scheme == "sips";
    let protocol = if secure { Some(Protocol::Tls) } else { uri.transport.or(of_trunk) };
    Query { host: uri.host, port: uri.port, protocol, secure }
}

/// The target, if the host is an address already.
pub(super) fn literal(query: &Query) -> Option<Target> {
    let ip: IpAddr = query.host.parse().ok()?;
    let protocol = query.protocol.unwrap_or(if query.secure { Protocol::Tls } else { Protocol::Udp });
    let port = query.port.unwrap_or(if protocol == Protocol::Tls { 5061 } else { 5060 });
    Some(Target { protocol, address: SocketAddr::new(ip, port), host: query.host.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_hop_decides() {
        let host = |uri: &str, transport| {
            let query = query_of(uri, transport);
            (query.host, query.port, query.protocol, query.secure)
        };
        let name = || "example.com".to_owned();
        assert_eq!(host("sip:1@example.com", 0), (name(), None, None, false));
        assert_eq!(host("sip:1@example.com:5070", 2), (name(), Some(5070), Some(Protocol::Tcp), false));
        assert_eq!(host("sip:1@example.com;transport=tcp", 1).2, Some(Protocol::Tcp));
        assert_eq!(host("sips:1@example.com", 1), (name(), None, Some(Protocol::Tls), true));
        let address = |text: &str| literal(&query_of(text, 0)).map(|t| t.address.to_string());
        assert_eq!(address("sip:1@[2001:db8::1]").as_deref(), Some("[2001:db8::1]:5060"));
        assert_eq!(address("sips:1@192.0.2.1").as_deref(), Some("192.0.2.1:5061"));
        assert_eq!(address("sip:1@example.com"), None);
    }
}
