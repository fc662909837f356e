//! Where a request goes (RFC 3263): what to ask the DNS, and in which order to try what it says.

use crate::flow::Protocol;
use std::net::SocketAddr;
use trunkline_types::Random;

/// What is to be located.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// A host name or an address, without brackets.
    pub host: String,
    /// The port, if the URI names one: then there is no SRV.
    pub port: Option<u16>,
    /// The protocol, if the URI or the trunk names one: then there is no NAPTR.
    pub protocol: Option<Protocol>,
    /// Only TLS will do (`sips`).
    pub secure: bool,
}

/// One SRV record, with the addresses of its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The protocol of the service that was asked for.
    pub protocol: Protocol,
    /// Of the NAPTR record that led here, order and preference; 0 without one.
    pub naptr: (u16, u16),
    /// The lower the earlier.
    pub priority: u16,
    /// Among those of one priority.
    pub weight: u16,
    /// The name, for TLS.
    pub host: String,
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
}

/// What the DNS said: servers by SRV, or else the addresses of the name itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// By SRV.
    pub servers: Vec<Server>,
    /// By A and AAAA, if there is no SRV; with the port of the query or the protocol's own.
    pub addresses: Vec<SocketAddr>,
}

/// One way to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The protocol.
    pub protocol: Protocol,
    /// The address.
    pub address: SocketAddr,
    /// The name that a certificate must have.
    pub host: String,
}

/// The targets in the order in which to try them: by NAPTR, by priority, among one priority by
/// weight and chance (RFC 2782).
pub fn order(_query: &Query, _records: &Records, _random: &mut Random) -> Vec<Target> {
    Vec::new()
}
