//! How a store is opened.

use std::{fmt, time::Duration};

/// What the owner decides about a store.
pub struct StoreOptions {
    /// Called on the writer thread once per [`Store::write`](crate::Store::write) with its token:
    /// `Ok` after the COMMIT that holds the record, `Err` with a sentence if it was not stored.
    pub completed: Box<dyn Fn(u64, Result<(), String>) + Send>,
    /// The wall clock, Unix milliseconds: for the heartbeat and for the age of ladders.
    pub now_ms: Box<dyn Fn() -> i64 + Send>,
    /// How long ladder entries are kept.
    pub retain_ladders: Duration,
    /// How many bytes of ladder entries are kept; the oldest go first.
    pub retain_ladder_bytes: u64,
    /// How long a write waits while another process (a backup, a shell) holds the file.
    pub lock_timeout: Duration,
    /// The most pages of 4 KiB the file may have; `None` for as many as the disk holds.
    pub max_pages: Option<u32>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            completed: Box::new(|_, _| {}),
            now_ms: Box::new(system_now_ms),
            retain_ladders: Duration::from_secs(7 * 24 * 3600),
            retain_ladder_bytes: 256 * 1024 * 1024,
            lock_timeout: Duration::from_secs(2),
            max_pages: None,
        }
    }
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreOptions")
            .field("retain_ladders", &self.retain_ladders)
            .field("retain_ladder_bytes", &self.retain_ladder_bytes)
            .field("lock_timeout", &self.lock_timeout)
            .field("max_pages", &self.max_pages)
            .finish_non_exhaustive()
    }
}

#[expect(clippy::disallowed_methods, reason = "the store's heartbeat is real time unless the owner gives a clock")]
fn system_now_ms() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
