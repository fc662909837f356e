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
    #[error("find an audio stream over RTP/AVP or RTP/SAVP")]
    NoAudio,
    /// Encryption is demanded and we do none.
    #[error("accept encrypted media (RTP/SAVP): encryption is off")]
    EncryptionOff,
    /// We, or the profile, demand encryption, and no usable key is there.
    #[error("find a common crypto suite in a=crypto")]
    NoCommonCrypto,
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

impl Error {
    /// The SIP status that tells the far end: 488 for what it may offer differently, 413 for what is
    /// too much, 400 for what is no SDP (RFC 3261 §21.4).
    pub const fn status(&self) -> u16 {
        match self {
            Self::TooLong { .. } | Self::TooMany { .. } => 413,
            Self::Malformed { .. } | Self::UnresolvedHost | Self::Mismatch => 400,
            Self::NoAudio | Self::EncryptionOff | Self::NoCommonCrypto | Self::NoCommonCodec { .. } => 488,
        }
    }
}
