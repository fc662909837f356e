//! One call as a value: events go in, effects come out, and nobody else touches it.
//!
//! [`Call::handle`] takes one [`Event`] and appends the [`Effect`]s it has; the owner carries them
//! out in order. The same call runs in the server, in the simulator and in the fuzzer. It knows
//! nothing of tokio, of LiveKit's JSON, of the store or of the room server: the room leg is the
//! pair [`RoomCommand`] and [`RoomEvent`], audio is the pair [`media::MediaPlan`] and
//! [`media::MediaFact`].
//!
//! A newcomer reads [`event`], [`effect`], then one file of [`phase`]; the line that builds a BYE
//! stands in [`headers`].

#![forbid(unsafe_code)]

pub mod attributes;
mod call;
pub mod dial;
pub mod effect;
pub mod event;
pub mod facts;
pub mod headers;
mod latency;
pub mod media;
pub mod midcall;
mod negotiation;
mod phase;
pub mod pin;
pub mod record;
mod remote_headers;
pub mod session_timer;
pub mod setup;
pub mod transfer;

pub use call::Call;
pub use effect::{Effect, Moment, RoomCommand, SipCommand, TransferNews};
pub use event::{Event, RoomEvent};
pub use facts::Facts;
pub use setup::{Invite, Setup};
