//! The phases of a call, one file each.

mod active;
mod answering;
pub(crate) mod automation;
mod dialing;
mod draining;
mod ending;
mod recording;
mod ringing;

pub(crate) use active::Active;
pub(crate) use answering::Answering;
pub(crate) use dialing::Dialing;
pub(crate) use draining::Draining;
pub(crate) use ending::{Ending, leave_room};
pub(crate) use recording::Recording;
pub(crate) use ringing::Ringing;
