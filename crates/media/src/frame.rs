//! 20 ms: as samples, and encoded.

use std::sync::Arc;

/// Samples of 20 ms at 16 kHz: the largest frame.
pub(crate) const FRAME: usize = 320;

/// A frame of a voice of our own, ready to be sent.
pub(crate) struct Frame {
    /// The sequence number with its roll-overs.
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    /// It begins a talkspurt.
    pub(crate) marker: bool,
    pub(crate) payload: Arc<[u8]>,
}
