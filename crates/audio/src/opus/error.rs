//! Why Opus refused.

use thiserror::Error;

/// Why something could not be encoded or decoded.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Error {
    /// Not one of the sampling rates that are supported.
    #[error("no sampling rate of Opus: {0} Hz")]
    Rate(u32),
    /// PCM that is not a whole Opus frame (2.5 to 120 ms).
    #[error("{0} samples are no Opus frame")]
    FrameLength(usize),
    /// What came is no Opus packet (RFC 6716 §3.4).
    #[error("not an Opus packet")]
    Packet,
    /// There is no room for the result.
    #[error("the result does not fit")]
    Buffer,
    /// libopus failed for another reason: its error code.
    #[error("libopus failed with {0}")]
    Library(i32),
}
