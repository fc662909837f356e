//! The phases of a call, one file each.

mod active;
mod answering;
pub(crate) mod automation;
mod dialing;
mod draining;
mod ending;
mod holding;
mod joining;
mod prompting;
mod recording;
mod refreshing;
mod ringing;
pub(crate) mod transferring;

pub(crate) use active::Active;
pub(crate) use answering::Answering;
pub(crate) use dialing::Dialing;
pub(crate) use draining::Draining;
pub(crate) use ending::{Ending, leave_room};
pub(crate) use prompting::Prompting;
pub(crate) use recording::Recording;
pub(crate) use ringing::Ringing;
