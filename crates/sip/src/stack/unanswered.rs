//! Why a request of ours has no answer.

/// What became of a request that nobody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// Nothing came within 64·T1 (RFC 3261 §17.1, timers B and F).
    Silent,
    /// An INVITE was cancelled, and no final answer came within 64·T1 of that (RFC 3261 §9.1).
    SilentAfterCancel,
    /// An INVITE was answered although it was cancelled; the stack has hung that call up.
    AnsweredAfterCancel,
    /// Its connection is gone or was not had, for this reason.
    Disconnected(&'static str),
}

impl Unanswered {
    /// In words, for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Silent => "no answer within 64·T1",
            Self::SilentAfterCancel => "no final answer within 64·T1 of CANCEL",
            Self::AnsweredAfterCancel => "answered after it was cancelled",
            Self::Disconnected(why) => why,
        }
    }
}
