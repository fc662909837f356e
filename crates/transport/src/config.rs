//! What is bound, and why it could not be.

use std::{collections::BTreeMap, io, net::SocketAddr, path::PathBuf, sync::Arc};
use trunkline_sip::flow::Protocol;
use trunkline_types::limits;

/// The sockets to open and the limits of their peers.
#[derive(Clone, Debug)]
pub struct Config {
    /// UDP sockets; port 0 takes any free one.
    pub udp: Vec<SocketAddr>,
    /// TCP listeners.
    pub tcp: Vec<SocketAddr>,
    /// TLS listeners; they need `tls_server`.
    pub tls: Vec<SocketAddr>,
    /// Our certificates, as made by [`server_tls`](crate::server_tls).
    pub tls_server: Option<Arc<rustls::ServerConfig>>,
    /// Whom we trust when we open a TLS connection; without it none is opened.
    pub tls_client: Option<Arc<rustls::ClientConfig>>,
    /// The same with a certificate of ours to show, by the name it is configured under.
    pub tls_identities: BTreeMap<String, Arc<rustls::ClientConfig>>,
    /// Messages a second that one source may send, and its burst; 0 for no limit.
    pub source_messages_per_second: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            udp: Vec::new(),
            tcp: Vec::new(),
            tls: Vec::new(),
            tls_server: None,
            tls_client: None,
            tls_identities: BTreeMap::new(),
            source_messages_per_second: limits::SOURCE_MESSAGES_PER_SECOND,
        }
    }
}

/// The bound addresses, in the order of [`Config`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// UDP.
    pub udp: Vec<SocketAddr>,
    /// TCP.
    pub tcp: Vec<SocketAddr>,
    /// TLS.
    pub tls: Vec<SocketAddr>,
}

/// Why the sockets could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, not ours, or not allowed.
    #[error("{address} cannot be bound for SIP over {}: {why}", protocol.as_str())]
    Bind {
        /// For which protocol.
        protocol: Protocol,
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        why: io::Error,
    },
    /// A TLS address without a certificate.
    #[error("SIP over TLS at {0} needs a certificate")]
    NoCertificate(SocketAddr),
    /// A certificate or key file cannot be used.
    #[error("{path}: {why}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}
