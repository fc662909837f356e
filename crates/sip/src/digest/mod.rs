//! Digest authentication (RFC 7616, RFC 8760), as a server and as a client.

mod algorithm;
mod client;
mod server;

pub(crate) use client::Login;
pub use server::{Challenger, Verdict};
