//! What can be wrong with a description.

/// Why a description cannot be used; the text reads after "failed to".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Longer than the limit.
    #[error("read a description of more than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// More of something than the limit.
    #[error("read more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A line that does not say what its type demands.
    #[error("read line {line}: {why}")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// Why.
        why: &'static str,
    },
    /// No audio m-line with a port and a profile we speak.
    #[error("find an audio stream over plain RTP (RTP/AVP)")]
    NoAudio,
    /// An audio stream, but no codec of ours.
    #[error("find a common codec; offered were {offered}")]
    NoCommonCodec {
        /// The names offered.
        offered: String,
    },
    /// A host name where an address is needed.
    #[error("use the host name in the c= line; an IP address is needed")]
    UnresolvedHost,
    /// The answer has other m-lines than the offer.
    #[error("match the answer's m-lines to the offer's")]
    Mismatch,
}
