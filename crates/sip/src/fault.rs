//! What is wrong with a message.

/// Said before it is known whether it can be answered.
pub(crate) struct Fault {
    pub(crate) status: u16,
    pub(crate) why: String,
    /// Where the message ends is not known.
    pub(crate) unframed: bool,
}

pub(crate) fn fault(status: u16, why: impl Into<String>) -> Fault {
    Fault { status, why: why.into(), unframed: false }
}

pub(crate) fn unframed(status: u16, why: impl Into<String>) -> Fault {
    Fault { status, why: why.into(), unframed: true }
}
