//! A virtual network around the exchange, and personas on real sockets.

#![forbid(unsafe_code)]

pub mod agents;
pub mod bridge;
pub mod callee;
pub mod caller;
pub mod callers;
pub mod dialled;
pub mod duel;
pub mod floor;
pub mod load;
pub mod offline;
pub mod participant;
pub mod persona;
pub mod sound;
pub mod world;

/// A packet that is sent so long after its time is late: whoever hears it hears that, not the server.
const LATE: std::time::Duration = std::time::Duration::from_millis(10);
