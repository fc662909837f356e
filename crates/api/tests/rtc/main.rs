//! Signalling from outside: a WebSocket client against the HTTP server, with a stand-in for the
//! exchange behind it.

#[path = "../fake/mod.rs"]
mod fake;

mod client;
mod conversation;
mod joining;
mod refusals;
