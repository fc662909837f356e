//! WebRTC over TCP, for clients whose network lets no UDP through: one port for all threads
//! (RFC 6544, passive candidates; frames of RFC 4571).

mod framing;
mod listener;
mod names;
mod stream;
mod streams;

pub(crate) use listener::{Handover, Listener};
pub(crate) use names::Names;
pub(crate) use stream::Stream;
pub(crate) use streams::{Streams, stream_of};
