//! What a persona tells of itself, one JSON line each.

use serde::Serialize;

/// Something that happened. `at_ms` counts from the persona's start.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Event {
    Received {
        at_ms: u64,
        from: String,
        text: String,
    },
    Sent {
        at_ms: u64,
        to: String,
        text: String,
    },
    /// The value of a Refer-To as it was written.
    ReferTo {
        at_ms: u64,
        value: String,
    },
    /// All digits of the call so far, those of INFO among them.
    Digits {
        at_ms: u64,
        value: String,
    },
    /// An answer to our challenge, and whether it is right.
    Authorized {
        at_ms: u64,
        method: String,
        ok: bool,
    },
    /// Both sides have the call.
    Up {
        at_ms: u64,
        call_id: String,
    },
    /// What one second sounded like: the packets in it, its peak, and its pitch by its waves.
    Heard {
        at_ms: u64,
        packets_in: u64,
        peak: i16,
        hz: u32,
    },
    /// A call has ended, with the packets of all of it.
    Over {
        at_ms: u64,
        call_id: String,
        packets_in: u64,
        packets_out: u64,
        peak: i16,
    },
}
