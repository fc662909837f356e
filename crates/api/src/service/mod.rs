//! The Twirp services, one file each.

mod agents;
mod calls;
mod checks;
mod context;
mod dispatch;
mod options;
mod room;
mod rule;
mod sip;
mod sip_participant;
mod stub;
mod trunk;

pub(crate) use context::{Context, dispatch};
