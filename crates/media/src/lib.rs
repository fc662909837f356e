//! Media threads: they own the RTP sockets of SIP legs and the built-in participants outright, take
//! [`MediaPlan`](trunkline_call::media::MediaPlan)s and return
//! [`MediaFact`](trunkline_call::media::MediaFact)s.
//!
//! All members of a room live on one thread. A thread wakes every 5 ms, reads what its sockets
//! hold, and every 20 ms of a leg's own time sends one packet. Nothing on that path locks,
//! allocates or crosses to another thread.

#![forbid(unsafe_code)]

mod builtin;
mod leg;
mod media;
mod ports;
mod room;
mod thread;

pub use media::{Config, Error, Media};
