//! The transport over real sockets on loopback.

mod datagrams;
mod fixture;
mod located;
mod named;
mod secured;
mod streams;
