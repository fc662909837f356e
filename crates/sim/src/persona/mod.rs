//! Far ends that behave like real ones, on real sockets.

mod five9;

pub use five9::{CallResult, Error, Five9, Step, call};
