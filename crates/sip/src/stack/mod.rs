//! Transactions and dialogs of all peers in one table.

mod client;
mod dialog;
mod invite;
mod outgoing;
mod receive;
mod request;
mod stack_core;
mod timers;

pub use dialog::DialogId;
pub use outgoing::{Credentials, Outgoing};
pub(crate) use receive::is_known_method;
pub use stack_core::{Action, ClientId, Event, InviteId, RequestId, Stack, StackConfig, StackCounts};
