//! Counters of what becomes of the writes.

use std::sync::atomic::{AtomicU64, Ordering};

/// What has happened since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records stored.
    pub stored: u64,
    /// Records not stored; each was reported to the callback.
    pub failed: u64,
    /// Transactions of records.
    pub commits: u64,
    /// Ladder entries that were dropped: the queue was full, the call had as many as it may, or
    /// the disk took no more.
    pub ladders_shed: u64,
}

/// The counters as the threads share them.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) stored: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) ladders_shed: AtomicU64,
}

impl Counters {
    pub(crate) fn read(&self) -> Counts {
        Counts {
            stored: self.stored.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            commits: self.commits.load(Ordering::Relaxed),
            ladders_shed: self.ladders_shed.load(Ordering::Relaxed),
        }
    }
}
