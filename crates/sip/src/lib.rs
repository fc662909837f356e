//! SIP without a socket: messages, transactions, dialogs and digest as pure values.
//!
//! [`Message::parse`] reads what arrived, [`Stack`] holds transactions and dialogs and turns a
//! message into [`Action`]s. It takes time as an argument, and knows nothing of calls or rooms.

#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod address;
mod digest;
mod fault;
mod find;
pub mod flow;
mod header_lines;
mod header_name;
pub mod locate;
mod message;
mod multipart;
mod number;
mod option_tag;
mod parameters;
mod parse;
pub mod q850;
pub mod reason;
pub mod refer;
mod replaces;
mod response;
mod salvage;
pub mod session_timer;
mod stack;
mod stream;
mod validate;
mod via;

pub use address::{Address, Uri};
pub use digest::{Challenger, Verdict};
pub use message::Message;
pub use replaces::Replaces;
pub use salvage::Malformed;
pub use stack::{
    Action, ClientId, Credentials, DialogId, Event, InviteId, Outgoing, RequestId, Stack, StackConfig, StackCounts,
    Unanswered,
};
pub use stream::{Framed, StreamReader};

/// Header names and values, in order.
pub type HeaderList = Vec<(String, String)>;
