//! The bounded queues between the owner and the writer thread.

use crate::Write;
use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use trunkline_call::record::LadderEntry;
use trunkline_types::CallId;

/// Records that may wait.
const WRITES: usize = 16_384;
/// Records in one transaction.
pub(crate) const GROUP: usize = 1_024;
/// Ladder entries that may wait, and their bytes.
const LADDERS: usize = 16_384;
const LADDER_BYTES: usize = 32 * 1024 * 1024;
/// Ladder entries written before the writer looks for records again.
const LADDER_TURN: usize = 64;

/// What the writer does before it looks again.
#[derive(Default)]
pub(crate) struct Turn {
    pub(crate) writes: Vec<(u64, Write)>,
    /// Tokens of records that found the queue full and were let go.
    pub(crate) refused: Vec<u64>,
    pub(crate) ladders: Vec<(CallId, LadderEntry)>,
    /// The owner is gone and this is the last turn.
    pub(crate) last: bool,
}

#[derive(Default)]
struct Inner {
    writes: VecDeque<(u64, Write)>,
    refused: Vec<u64>,
    ladders: VecDeque<(CallId, LadderEntry)>,
    ladder_bytes: usize,
    closed: bool,
}

/// The queues. No lock is held while anything is written.
#[derive(Default)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    filled: Condvar,
    emptied: Condvar,
}

impl Queue {
    /// Queues a record. When the queue is full only the token is kept, to be refused; when even
    /// those are too many the caller waits, so that nothing grows without bound and no token is lost.
    pub(crate) fn write(&self, token: u64, write: Write) {
        let mut inner = self.lock();
        if inner.writes.len() < WRITES {
            inner.writes.push_back((token, write));
        } else {
            while inner.refused.len() >= WRITES {
                inner = self.emptied.wait(inner).unwrap_or_else(PoisonError::into_inner);
            }
            inner.refused.push(token);
        }
        self.filled.notify_one();
    }

    /// Queues a ladder entry; `false` if there was no room.
    pub(crate) fn ladder(&self, call: CallId, entry: LadderEntry) -> bool {
        let mut inner = self.lock();
        let bytes = entry.text.len();
        if inner.ladders.len() >= LADDERS || inner.ladder_bytes.saturating_add(bytes) > LADDER_BYTES {
            return false;
        }
        inner.ladder_bytes += bytes;
        inner.ladders.push_back((call, entry));
        self.filled.notify_one();
        true
    }

    /// No more will come; what is queued is still written.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    /// Waits for something to do, at most `patience`.
    pub(crate) fn turn(&self, patience: Duration) -> Turn {
        let idle = |inner: &mut Inner| {
            inner.writes.is_empty() && inner.refused.is_empty() && inner.ladders.is_empty() && !inner.closed
        };
        let (mut inner, _) =
            self.filled.wait_timeout_while(self.lock(), patience, idle).unwrap_or_else(PoisonError::into_inner);
        let group = inner.writes.len().min(GROUP);
        let rungs = inner.ladders.len().min(LADDER_TURN);
        let turn = Turn {
            writes: inner.writes.drain(..group).collect(),
            refused: std::mem::take(&mut inner.refused),
            ladders: inner.ladders.drain(..rungs).collect(),
            last: inner.closed && inner.writes.is_empty() && inner.ladders.is_empty(),
        };
        let bytes: usize = turn.ladders.iter().map(|(_, entry)| entry.text.len()).sum();
        inner.ladder_bytes = inner.ladder_bytes.saturating_sub(bytes);
        self.emptied.notify_all();
        turn
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
