//! A room on a media thread: every 20 ms its members' frames are mixed.

use crate::builtin::Member;
use std::collections::HashMap;
use trunkline_call::media::LegKey;
use trunkline_types::{ParticipantSid, Time};

/// Samples of 20 ms at 8 kHz.
pub(crate) const FRAME: usize = 160;

/// See the module.
pub(crate) struct Room {
    pub(crate) legs: Vec<LegKey>,
    pub(crate) builtins: HashMap<ParticipantSid, Member>,
    pub(crate) next_tick: Time,
}

impl Room {
    pub(crate) fn new(now: Time) -> Self {
        Self { legs: Vec::new(), builtins: HashMap::new(), next_tick: now }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.legs.is_empty() && self.builtins.is_empty()
    }

    /// Whether somebody has something left to say.
    pub(crate) fn is_speaking(&self) -> bool {
        self.builtins.values().any(Member::is_speaking)
    }
}
