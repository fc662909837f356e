//! Calling out: whom to call and through which trunk, and the SIP addresses that come of it.

mod country;
mod headers;
mod inline;
pub(crate) mod place;
mod plan;
mod request;
mod target;

pub(crate) use headers::{check_headers, check_route};
pub use plan::DialPlan;
pub use request::Dial;
pub use target::{NamedTarget, Target, TargetParts};
