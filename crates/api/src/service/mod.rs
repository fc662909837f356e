//! The Twirp services, one file each.

mod calls;
mod context;
mod options;
mod room;
mod rule;
mod sip;
mod stub;
mod trunk;

pub(crate) use context::{Context, dispatch};
