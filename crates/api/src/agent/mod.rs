//! `/agent`: the socket of agents' workers.

mod connection;
mod endpoint;
mod token;

pub(crate) use endpoint::open;
