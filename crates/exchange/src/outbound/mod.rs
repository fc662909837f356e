//! Calls out: from `CreateSIPParticipant` to an answered call or an error that says why.
//!
//! [`table`] holds them; [`creating`] makes the call, [`question`] and [`locating`] find out where the
//! far end is, [`inviting`] asks one target after the other, [`redirecting`] goes where a 3xx sends it, [`outcome`] turns what came of it into an
//! API error. [`health`] remembers which targets failed, [`securing`] says whom TLS must lead to,
//! [`allowance`] how many calls a trunk may make, [`registering`] keeps trunks registered,
//! [`unregistering`] takes registrations back.

mod allowance;
mod creating;
mod health;
mod inviting;
mod leg;
mod locating;
mod outcome;
mod own;
mod question;
mod redirecting;
mod registering;
mod securing;
mod table;
mod unregistering;

pub(crate) use leg::{Caller, Waiting};
pub(crate) use table::Outbound;
