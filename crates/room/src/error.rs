//! Why something in a room cannot be done.

/// The texts are LiveKit's where it has one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum Error {
    #[error("requested room does not exist")]
    NoSuchRoom,
    #[error("participant does not exist")]
    NoSuchParticipant,
    #[error("track is not found")]
    NoSuchTrack,
    #[error("the room is full: max_participants is {max}")]
    Full { max: u32 },
    #[error("{field} is longer than {limit}")]
    TooLong { field: &'static str, limit: usize },
    #[error("{field} is empty")]
    Empty { field: &'static str },
}
