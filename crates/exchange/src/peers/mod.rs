//! WebRTC participants: their signalling, their sections and subscriptions, their data.
//!
//! A session is the control side of one such participant. It lives exactly as long as the
//! participant is in its room; what happens to it goes through the room first, and comes back as
//! the room's event.

mod administering;
mod announcing;
mod answering;
mod audience;
mod data;
mod facts;
mod joining;
mod leaving;
mod moving;
mod offering;
mod permitting;
mod phone;
mod places;
mod publishing;
mod quality;
mod replay;
mod requests;
mod resume;
mod rpc;
mod sections;
mod session;
mod speakers;
mod subscribing;
mod switching;
mod table;
mod updating;

pub(crate) use rpc::Rpc;
pub(crate) use table::Peers;
