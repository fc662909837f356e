//! A virtual network around the exchange, and personas on real sockets.

#![forbid(unsafe_code)]

pub mod caller;
pub mod load;
pub mod participant;
pub mod persona;
pub mod world;
