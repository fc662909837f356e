//! A virtual network around the exchange, and personas on real sockets.

#![forbid(unsafe_code)]

pub mod agents;
pub mod bridge;
pub mod callee;
pub mod caller;
pub mod callers;
pub mod load;
pub mod offline;
pub mod participant;
pub mod persona;
pub mod sound;
pub mod world;
