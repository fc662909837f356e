//! What the exchange asks of the DNS.

use crate::inbox::Inbox;
use std::{net::SocketAddr, sync::Arc};
use tokio::runtime::Handle;
use trunkline_exchange::{Input, port::QueryId};
use trunkline_sip::locate::Query;
use trunkline_transport::Resolver;

/// Asks and answers.
pub(crate) struct Names {
    resolver: Arc<Resolver>,
    inbox: Inbox,
    runtime: Handle,
}

impl Names {
    /// `servers` may be empty: then the system's are asked.
    pub(crate) fn new(servers: &[SocketAddr], inbox: Inbox) -> Self {
        Self { resolver: Arc::new(Resolver::new(servers)), inbox, runtime: Handle::current() }
    }

    /// Answers with [`Input::Resolved`].
    pub(crate) fn ask(&self, id: QueryId, query: Query) {
        let (resolver, inbox) = (self.resolver.clone(), self.inbox.clone());
        self.runtime.spawn(async move { inbox.put(Input::Resolved(id, resolver.resolve(&query).await)) });
    }
}
