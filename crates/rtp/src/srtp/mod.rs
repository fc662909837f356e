//! SRTP and SRTCP (RFC 3711, RFC 6188, RFC 7714).

mod block;
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
mod transform;

pub use error::Error;
pub use replay::ReplayWindow;
pub use session::{MAX_OVERHEAD, Session};
pub use stream::rtp_index;
pub use suite::Suite;
pub use transform::{RtcpTransform, RtpTransform};
