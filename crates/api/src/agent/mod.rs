//! `/agent`: the socket of agents' workers.

mod connection;
mod endpoint;
mod framing;
mod token;

pub(crate) use endpoint::open;
