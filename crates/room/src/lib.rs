//! Rooms: their participants, attributes, tracks and life cycle, as LiveKit has them.
//!
//! [`Rooms`] holds them all; every method that changes something appends the [`Event`]s that others
//! must hear of, in the order in which they happened. It knows nothing of calls, of HTTP or of media.

#![forbid(unsafe_code)]

pub mod data;
mod defaults;
mod error;
mod event;
pub mod model;
mod room;
mod rooms;
pub mod signal;
mod tracks;
mod wire;
pub mod worker;

pub use defaults::Defaults;
pub use error::Error;
pub use event::{Event, Packet};
pub use model::{
    Join, Kind, ParticipantInfo, ParticipantPatch, Permission, RoomInfo, RoomSettings, Source, State, TrackInfo,
    TrackKind, VideoLayer,
};
pub use rooms::Rooms;
