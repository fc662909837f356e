//! What every crate of Trunkline shares: ids, [`Time`] and the [`Histogram`] of how long things take, end reasons,
//! [`Pii`] and the [`limits`].
//!
//! Nothing here reads a clock, a random source or a file: time and seeds come in as values.

pub mod end_reason;
pub mod histogram;
pub mod id;
pub mod limits;
pub mod number;
pub mod pii;
pub mod policy;
pub mod random;
mod reserved_header;
pub mod time;
mod voice_codec;

pub use end_reason::{DisconnectReason, EndReason, EndedBy};
pub use histogram::{Histogram, Summary};
pub use id::{
    CallId, DispatchId, JobId, LegId, ParticipantSid, RoomSid, RuleId, ThreadId, TrackSid, TrunkId, WorkerId,
};
pub use number::normalize_number;
pub use pii::Pii;
pub use random::Random;
pub use reserved_header::is_reserved_header;
pub use time::Time;
pub use voice_codec::VoiceCodec;
