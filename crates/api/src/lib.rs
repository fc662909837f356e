//! Twirp, tokens, webhooks, health and metrics over HTTP.
//!
//! [`router`] answers LiveKit's services `SIP`, `RoomService` and
//! `AgentDispatchService` and our own `trunkline.Options`
//! and `trunkline.Calls`, WebRTC clients at `/rtc` and `/rtc/v1`, and agents' workers at `/agent`; it reaches the exchange and the store through [`Control`]. [`Webhooks`]
//! posts what the exchange reports. Conversion between LiveKit's protobuf messages and our records
//! happens in `convert` and nowhere else.

#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod agent;
mod bearer;
mod control;
mod convert;
mod cors;
mod framing;
mod grant;
mod json_names;
mod metrics;
mod outboxes;
mod router;
mod rtc;
mod service;
mod sip_error;
pub mod token;
mod twirp;
mod webhook;
mod websocket;

pub use control::{BoxFuture, Clock, Control, Count};
pub use outboxes::{Outboxes, Signals, Workers};
pub use router::{Config, router};
pub use token::{Claims, Keys, mint};
pub use webhook::{WebhookConfig, WebhookError, Webhooks, webhook_url};
