//! SRTP and SRTCP (RFC 3711, RFC 6188, RFC 7714).

mod cipher;
mod error;
mod key;
mod layout;
mod replay;
mod session;
mod stream;
mod suite;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use session::{MAX_OVERHEAD, Session};
pub use suite::Suite;
