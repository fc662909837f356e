//! The whole control plane as one pure machine: inputs in, outputs out.
//!
//! The one contract: call [`Exchange::handle`] with one [`Input`], carry out every [`Output`] it
//! appended, in order, and come again no later than [`Exchange::poll_timeout`]. One thread drives
//! it; what runs on one thread has no races. The simulator runs the very same machine.
//!
//! Order is truth: `UpdateParticipant` and then `DeleteRoom` are two inputs, one after the other;
//! the call holds the new attributes before the first is answered, and its BYE carries them.

#![forbid(unsafe_code)]

mod admission;
mod agents;
mod api;
mod builtins;
mod calls;
pub mod command;
mod config;
mod exchange;
mod guard;
mod info;
mod load;
mod midcall;
mod moving;
mod outbound;
mod peers;
mod pending;
mod pins;
pub mod port;
mod replacing;
mod rooms;
mod sip_side;
mod sip_status;
mod trace;
mod transfers;

pub use config::Config;
pub use exchange::Exchange;
pub use port::{Input, Output};
pub use sip_side::RETRY_AFTER;
