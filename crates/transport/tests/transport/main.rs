//! The transport over real sockets on loopback.

mod datagrams;
mod fixture;
mod secured;
mod streams;
