//! Trunks, dispatch rules and the decision which of them a call takes.
//!
//! [`Directory`] holds the records with their indexes, checks every change, and [`Directory::decide`]s
//! about a call. Every decision comes with its [`Explanation`]: which trunks and rules were looked
//! at and which field decided. The same text is what a refused call's log line says. It knows
//! nothing of SIP messages, of rooms or of the store.

#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod address;
mod conflict;
mod decide;
pub mod dial;
mod directory;
mod dispatch;
mod explain;
mod options_check;
pub mod patch;
pub mod record;
mod trunk_match;
pub mod validate;

pub use decide::{CallFacts, Decision, Outcome, Settings, Strangers};
pub use directory::{Directory, StoredTrunk};
pub use dispatch::Dispatch;
pub use explain::{Considered, Explanation};
pub use validate::{Refusal, RefusalKind};
