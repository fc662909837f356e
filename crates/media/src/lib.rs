//! Media threads: they own the RTP sockets of SIP legs and the built-in participants outright, take
//! [`MediaPlan`](trunkline_call::media::MediaPlan)s and return
//! [`MediaFact`](trunkline_call::media::MediaFact)s.
//!
//! All members of a room live on one thread: the sockets of its SIP legs, its WebRTC connections
//! and its built-in participants. A thread sleeps until a socket, a plan or a time calls. What a
//! caller says is encoded and forwarded when it arrives; what the room says goes out to phones at a
//! steady 20 ms. Our code on that path takes no lock and crosses to no other thread.

#![deny(unsafe_code)]

mod addresses;
mod arrivals;
mod batch;
mod builtin;
mod bypass;
mod candidates;
mod downlink;
mod earlier;
mod frame;
mod hush;
mod leg;
mod leg_codec;
mod leg_forward;
mod leg_in;
mod leg_out;
mod loudness;
mod media;
mod out_stream;
mod passing;
mod peer;
mod peers;
mod playout;
mod ports;
mod recent;
mod reception;
mod rest;
mod room;
mod rooms;
mod rtc_socket;
mod said;
mod soon;
mod sound;
mod stages;
mod tcp;
mod thread;
mod tick;
mod track;
mod uplink;
mod voice;
mod wheel;

pub use downlink::Jitter;
pub use media::{Config, Error, Media};
pub use voice::Quality;
