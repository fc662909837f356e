//! Many SIP callers with real RTP on one thread: they call, say a script 50 times a second, listen,
//! hang up, and report what they saw.

mod call;
mod codec;
mod message;
mod plan;
mod report;
mod run;
mod stream;

pub use codec::Codec;
pub(crate) use codec::Decoder;
pub use plan::{Control, Ear, Numbers, Plan, Script};
pub use report::{Outcome, Report, Spread};
pub use run::run;
