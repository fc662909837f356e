//! `trunkline doctor`: what of this machine and this configuration would trouble a server, each with
//! its cure.

mod addresses;
mod certificates;
mod examine;
mod finding;
mod machine;
mod ports;

pub use examine::examine;
pub use finding::{Finding, Verdict};
