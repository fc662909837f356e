//! Calls out: from `CreateSIPParticipant` to an answered call or an error that says why.
//!
//! [`creating`] makes the call, [`locating`] finds out where the far end is, [`inviting`] asks one
//! target after the other, [`outcome`] turns what came of it into an API error. [`health`] remembers
//! which targets failed, [`securing`] says whom TLS must lead to, [`allowance`] how many calls a trunk
//! may make, [`registering`] keeps trunks registered, [`unregistering`] takes registrations back.

mod allowance;
mod creating;
mod health;
mod inviting;
mod leg;
mod locating;
mod outcome;
mod own;
mod registering;
mod securing;
mod unregistering;

pub(crate) use leg::{Caller, Outbound, Waiting};
