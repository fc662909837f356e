//! Where a message came from and where one goes: the values `transport` and the stack exchange.

use crate::{Malformed, Message};
use bytes::Bytes;
use std::net::SocketAddr;
use trunkline_types::Time;

/// A transport protocol of SIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Datagrams.
    Udp,
    /// A TCP connection.
    Tcp,
    /// TLS over TCP.
    Tls,
}

impl Protocol {
    /// Whether the transport itself retransmits (RFC 3261 §17).
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }

    /// The port when nothing names one (RFC 3261 §19.1.2).
    pub const fn default_port(self) -> u16 {
        if matches!(self, Self::Tls) { 5061 } else { 5060 }
    }

    /// The token of the Via header and, lower-cased, of the `transport` parameter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }
}

/// One way to a peer: a local socket and a remote address. For streams `connection` tells apart
/// the connections of one address; it is 0 for UDP and for a stream that is still to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// The protocol.
    pub protocol: Protocol,
    /// Our own address of the socket the message came to or leaves from.
    pub local: SocketAddr,
    /// The peer's transport address.
    pub remote: SocketAddr,
    /// The connection, numbered by `transport`; 0 as described above.
    pub connection: u64,
}

/// A message that arrived. `raw` are the very bytes, for the ladder, also of what did not parse.
#[derive(Clone, Debug)]
pub struct Received {
    /// How it came.
    pub flow: Flow,
    /// When it came.
    pub at: Time,
    /// The bytes as they were on the wire.
    pub raw: Bytes,
    /// What they say, or why they say nothing.
    pub message: Result<Message, Malformed>,
}

/// A message to put on the wire.
#[derive(Clone, Debug)]
pub struct Transmit {
    /// The way. When a stream's connection is gone, `transport` opens one to `remote`.
    pub flow: Flow,
    /// The whole message.
    pub bytes: Bytes,
}
