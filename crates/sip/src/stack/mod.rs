//! Transactions and dialogs of all peers in one table.

mod acknowledge;
mod calling;
mod cancel;
mod client;
mod dialog;
mod draft;
mod invite;
mod invite_answers;
mod invite_client;
mod outgoing;
mod prack;
mod receive;
mod reliable;
mod request;
mod stack_core;
mod timers;
mod unanswered;
mod update;

pub use dialog::DialogId;
pub use outgoing::{Credentials, Outgoing};
pub(crate) use receive::is_known_method;
pub use stack_core::{Action, ClientId, Event, InviteId, RequestId, Stack, StackConfig, StackCounts};
pub use unanswered::Unanswered;
