//! What the exchange asks of the DNS, and whom TLS must lead to at the addresses that come of it.

use crate::{Config, exchange_thread::Inbox};
use std::sync::Arc;
use tokio::runtime::Handle;
use trunkline_exchange::{Input, port::QueryId};
use trunkline_sip::{
    flow::Protocol,
    locate::{Query, Records},
};
use trunkline_transport::{Peer, Resolver, Transport};

/// Asks and answers.
pub(crate) struct Names {
    resolver: Arc<Resolver>,
    transport: Transport,
    inbox: Inbox,
    runtime: Handle,
}

impl Names {
    pub(crate) fn new(config: &Config, transport: Transport, inbox: Inbox) -> Self {
        let resolver = Arc::new(Resolver::new(&config.dns_servers));
        Self { resolver, transport, inbox, runtime: Handle::current() }
    }

    /// Answers with [`Input::Resolved`].
    pub(crate) fn ask(&self, id: QueryId, query: Query) {
        let (resolver, transport, inbox) = (self.resolver.clone(), self.transport.clone(), self.inbox.clone());
        self.runtime.spawn(async move {
            let answer = resolver.resolve(&query).await;
            if let Ok(records) = &answer {
                expect(&transport, &query, records);
            }
            inbox.put(Input::Resolved(id, answer));
        });
    }
}

/// A certificate must have the name that was asked for (RFC 5922 §7.2).
fn expect(transport: &Transport, query: &Query, records: &Records) {
    let of_servers = records.servers.iter().filter(|s| s.protocol == Protocol::Tls).flat_map(|s| &s.addresses);
    let is_tls = query.default_protocol() == Protocol::Tls;
    let of_name = records.addresses.iter().filter(|_| is_tls);
    for address in of_servers.chain(of_name) {
        transport.expect(*address, Peer { name: query.host.clone(), identity: None });
    }
}
