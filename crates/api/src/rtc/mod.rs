//! The signalling endpoints: `/rtc`, `/rtc/v1` and their `validate`.

mod admission;
mod connection;
mod endpoint;
mod join_request;
mod parameters;
mod query;
mod ticket;
mod validate;

pub(crate) use endpoint::{dual, single};
pub(crate) use query::parameter;
pub(crate) use ticket::video_grant;
pub(crate) use validate::{validate_dual, validate_single};
