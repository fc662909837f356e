//! SIP over UDP, TCP and TLS sockets.
//!
//! [`Transport::bind`] opens the sockets; what arrives goes to one sink, already measured against
//! the limits of its source and parsed on the task that received it; [`Transport::send`] puts a
//! message on the wire from any thread and never waits.
//!
//! [`Resolver`] asks the DNS where a far end is; [`Transport::expect`] says which name the certificate
//! at an address must have, and which of our own is shown there.
//!
//! What is decided here, before anybody else sees a message:
//!
//! - a source beyond its rate is dropped (UDP) or read more slowly (streams), unparsed;
//! - keep-alives are answered or swallowed (RFC 5626 §3.5.1), STUN is swallowed;
//! - what does not parse is answered with the answer `sip` made for it, ten times a second for one
//!   source; it reaches the sink as well, for the ladder, and must not be answered again;
//! - when the sink takes no more, a new INVITE gets a 503 and the rest waits for its retransmission;
//! - a stream that is slow, silent, wrongly framed or does not read is closed.

#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod bucket;
mod config;
mod connect;
mod counts;
mod inward;
mod listener;
mod local;
mod overload;
mod peer;
mod pool;
mod resolver;
mod stream;
mod task;
mod tls;
mod tls_client;
mod transport;
mod udp;
mod validity;
mod why;

pub use config::{Addresses, Config, Error};
pub use counts::Counts;
pub use inward::{Clock, Incoming, Sink};
pub use peer::Peer;
pub use resolver::Resolver;
pub use tls::server_tls;
pub use tls_client::{ClientTls, client_tls};
pub use transport::Transport;
pub use validity::certificate_validity;
