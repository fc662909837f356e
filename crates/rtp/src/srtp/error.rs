//! Why a packet or a key is refused.

/// The text reads after "failed to".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Key and salt have not the suite's length.
    #[error("use key and salt: {expected} bytes are needed")]
    KeyLength {
        /// What the suite needs, bytes.
        expected: usize,
    },
    /// A key identifier of more than eight bytes.
    #[error("use an MKI of more than 8 bytes")]
    MkiLength,
    /// Too short, or lengths inside that lie.
    #[error("read the packet")]
    Malformed,
    /// The buffer has no room for tag and index.
    #[error("protect a packet in a buffer without room for the tag")]
    NoRoom,
    /// Tag or key identifier is wrong.
    #[error("authenticate the packet")]
    NotAuthentic,
    /// Its index has been seen, or is older than the window.
    #[error("accept a packet twice, or one that is too old")]
    Replayed,
    /// More SSRCs than are kept.
    #[error("keep the state of another source")]
    TooManySources,
    /// The key has protected all the packets it may (RFC 3711 §9.2).
    #[error("protect more packets under this key")]
    Exhausted,
}
