//! The handle.

use crate::{
    Addresses, Clock, Config, Counts, Error, Peer, Sink, connect,
    counts::count,
    inward::Inward,
    listener::{self, Listener},
    pool::{Pool, Sent},
    stream::KEEP_ALIVE,
    task::{self, Life},
    udp::UdpPort,
    why,
};
use rustls::ClientConfig;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use trunkline_sip::flow::{Protocol, Transmit};

/// How long [`Transport::close`] waits for connections to write what is queued.
const FAREWELL: Duration = Duration::from_secs(1);

/// The open sockets. Copies share them; the last one dropped closes them.
#[derive(Clone)]
pub struct Transport(Arc<Shared>);

struct Shared {
    udp: Vec<Arc<UdpPort>>,
    addresses: Addresses,
    pool: Arc<Pool>,
    inward: Arc<Inward>,
    tls_client: Option<Arc<ClientConfig>>,
    tls_identities: BTreeMap<String, Arc<ClientConfig>>,
    runtime: Handle,
    closing: watch::Sender<bool>,
    /// Given to new tasks; gone once the transport is closed.
    life: Mutex<Option<Life>>,
    /// Ends when the last task has.
    ended: tokio::sync::Mutex<mpsc::Receiver<std::convert::Infallible>>,
}

impl Transport {
    /// Opens all sockets of `config` and receives into `sink` from now on. Every arrival is stamped
    /// by `clock`. A `sink` that returns `false` has no room: a new INVITE is then answered with 503
    /// and `Retry-After`, everything else is dropped.
    ///
    /// # Errors
    ///
    /// An address that cannot be bound, or a TLS address without certificates.
    pub async fn bind(config: Config, clock: Clock, sink: Sink) -> Result<Self, Error> {
        let inward = Arc::new(Inward::new(clock, sink, config.source_messages_per_second));
        let pool = Arc::new(Pool::default());
        let (closing, closed) = watch::channel(false);
        let (alive, ended) = mpsc::channel(1);
        let life = Life::new(closed, alive);
        let mut addresses = Addresses::default();

        let mut udp = Vec::new();
        for address in &config.udp {
            let port = UdpPort::bind(*address, only_v6(*address, &config.udp)).map_err(|why| Error::Bind {
                protocol: Protocol::Udp,
                address: *address,
                why,
            })?;
            addresses.udp.push(port.bound);
            udp.push(Arc::new(port));
        }
        let mut listeners = Vec::new();
        let mut listen = |address: SocketAddr, all: &[SocketAddr], tls: Option<TlsAcceptor>| {
            let protocol = if tls.is_some() { Protocol::Tls } else { Protocol::Tcp };
            let listener = listener::bind(address, only_v6(address, all))
                .and_then(|bound| Listener::new(bound, tls, pool.clone(), inward.clone(), life.clone()))
                .map_err(|why| Error::Bind { protocol, address, why })?;
            let bound = listener.bound;
            listeners.push(Arc::new(listener));
            Ok(bound)
        };
        for address in &config.tcp {
            addresses.tcp.push(listen(*address, &config.tcp, None)?);
        }
        for address in &config.tls {
            let server = config.tls_server.clone().ok_or(Error::NoCertificate(*address))?;
            addresses.tls.push(listen(*address, &config.tls, Some(TlsAcceptor::from(server)))?);
        }

        for port in &udp {
            let (port, taken, life) = (port.clone(), inward.clone(), life.clone());
            let receive = move || port.clone().receive(taken.clone(), life.clone());
            tokio::spawn(task::supervised(inward.clone(), receive));
        }
        for listener in listeners {
            tokio::spawn(task::supervised(inward.clone(), move || listener.clone().accept()));
        }
        Ok(Self(Arc::new(Shared {
            udp,
            addresses,
            pool,
            inward,
            tls_client: config.tls_client,
            tls_identities: config.tls_identities,
            runtime: Handle::current(),
            closing,
            life: Mutex::new(Some(life)),
            ended: tokio::sync::Mutex::new(ended),
        })))
    }

    /// Where the sockets are bound.
    pub fn addresses(&self) -> Addresses {
        self.0.addresses.clone()
    }

    /// Puts a message on the wire and returns at once. A datagram leaves from the calling thread,
    /// from the socket its flow names. A stream message is queued on its connection, on another one
    /// to the same peer, or on a new one; when that fails the flow is reported as closed. Two empty
    /// lines and nothing else are a keep-alive (RFC 5626 §4.4.1): they open no connection.
    pub fn send(&self, transmit: Transmit) {
        let shared = &self.0;
        let Transmit { flow, bytes } = transmit;
        if flow.protocol.is_reliable() && *bytes == *KEEP_ALIVE {
            return shared.pool.ping(flow);
        }
        if flow.protocol == Protocol::Udp {
            let port = shared.udp.iter().max_by_key(|port| port.matches(flow.local, flow.remote));
            return match port.filter(|port| port.matches(flow.local, flow.remote) > 0) {
                Some(port) => port.send_counted(&bytes, flow.remote, &shared.inward),
                None => count(&shared.inward.counters.send_failed),
            };
        }
        let life = shared.life.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(life) = life else { return count(&shared.inward.counters.send_failed) };
        match shared.pool.send(flow, bytes, &shared.inward) {
            Sent::Queued => {}
            Sent::Opening(line, registered, peer) => {
                let (pool, inward) = (shared.pool.clone(), shared.inward.clone());
                let (anonymous, identities) = (shared.tls_client.as_ref(), &shared.tls_identities);
                let tls = connect::secured(line.flow.remote, peer.as_deref(), anonymous, identities);
                shared.runtime.spawn(connect::run(line, registered, tls, pool, inward, life));
            }
            Sent::Failed => {
                count(&shared.inward.counters.send_failed);
                let inward = shared.inward.clone();
                // Not from here: the caller may be the one who empties what the sink fills.
                shared.runtime.spawn(async move { inward.closed(flow, why::FULL) });
            }
        }
    }

    /// Says whom TLS connections to an address must lead to, from now on; without a word it is the
    /// address itself that the certificate must name. A connection to somebody else stays open, and
    /// is not used for this one.
    pub fn expect(&self, remote: SocketAddr, peer: Peer) {
        self.0.pool.expect(remote, peer);
    }

    /// The counters.
    pub fn counts(&self) -> Counts {
        self.0.inward.counters.read()
    }

    /// Receives and accepts no more, lets connections write what is queued, at most a second, and
    /// closes them.
    pub async fn close(&self) {
        self.0.life.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.0.closing.send_replace(true);
        let mut ended = self.0.ended.lock().await;
        if timeout(FAREWELL, ended.recv()).await.is_err() {
            self.0.pool.kill_all();
        }
    }
}

/// Whether an IPv6 socket leaves IPv4 to another one of the same port.
fn only_v6(address: SocketAddr, all: &[SocketAddr]) -> bool {
    address.is_ipv6() && all.iter().any(|other| other.is_ipv4() && other.port() == address.port())
}
