//! The one thread that writes.

use crate::{
    StoreOptions, Write,
    apply::{self, Failure},
    counts::Counters,
    ladder,
    queue::{GROUP, Queue},
    schema,
};
use rusqlite::{Connection, ErrorCode, TransactionBehavior, params};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use trunkline_call::record::LadderEntry;
use trunkline_types::CallId;

/// Between two heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Between two looks at the age of ladders.
const TRIM_MS: i64 = 60_000;
/// Chunks of ladder entries given up at once when the disk is full.
const CHUNKS_FOR_ROOM: usize = 8;
/// Bytes written after which the log is folded into the file even under load.
const CHECKPOINT_BYTES: usize = 8 * 1024 * 1024;

pub(crate) struct Writer {
    connection: Connection,
    options: StoreOptions,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    /// Bytes all ladder rows count.
    ladder_bytes: u64,
    /// Record bytes written since the last checkpoint, roughly.
    since_checkpoint: usize,
    heartbeat_ms: i64,
    trimmed_ms: i64,
    /// The last record failed: the log says so once.
    failing: bool,
    /// The last housekeeping failed: likewise.
    untidy: bool,
}

impl Writer {
    pub(crate) fn new(
        connection: Connection,
        options: StoreOptions,
        queue: Arc<Queue>,
        counters: Arc<Counters>,
    ) -> rusqlite::Result<Self> {
        let ladder_bytes = ladder::total_bytes(&connection)?;
        let (since_checkpoint, heartbeat_ms, trimmed_ms) = (0, i64::MIN, i64::MIN);
        Ok(Self {
            connection,
            options,
            queue,
            counters,
            ladder_bytes,
            since_checkpoint,
            heartbeat_ms,
            trimmed_ms,
            failing: false,
            untidy: false,
        })
    }

    /// Works until the owner is gone and everything is written.
    pub(crate) fn run(&mut self) {
        loop {
            let turn = self.queue.turn(HEARTBEAT);
            let idle = turn.writes.is_empty() && turn.ladders.is_empty();
            self.store(&turn.writes);
            for token in turn.refused {
                self.complete(token, Err("the store's queue is full: the disk does not keep up".to_owned()));
            }
            self.guarded(|writer| writer.add_ladders(&turn.ladders));
            if turn.last {
                return;
            }
            self.guarded(Self::beat);
            self.guarded(Self::trim);
            if self.since_checkpoint >= CHECKPOINT_BYTES || (idle && self.since_checkpoint > 0) {
                self.guarded(Self::checkpoint);
            }
        }
    }

    /// Commits a group and calls back for each of it.
    fn store(&mut self, group: &[(u64, Write)]) {
        if group.is_empty() {
            return;
        }
        let Err(error) = self.commit(group) else {
            return group.iter().for_each(|(token, _)| self.complete(*token, Ok(())));
        };
        if error.full {
            self.guarded(Self::make_room);
        }
        // One that cannot be stored must not take the others with it, unless nobody can write.
        let mut blocked = error.contention.then_some(error.text);
        for one in group.chunks(1) {
            let result = match &blocked {
                Some(text) => Err(text.clone()),
                None => self.commit(one).map_err(|error| {
                    blocked = error.contention.then(|| error.text.clone());
                    error.text
                }),
            };
            for (token, _) in one {
                self.complete(*token, result.clone());
            }
        }
    }

    /// Gives up the oldest ladders, so that records fit on a disk that is full.
    fn make_room(&mut self) -> Result<(), Failure> {
        for _ in 0..CHUNKS_FOR_ROOM {
            let freed = self.unsynced(|connection| Ok(ladder::delete_oldest(connection)?))?;
            self.ladder_bytes = self.ladder_bytes.saturating_sub(freed);
            if freed == 0 {
                break;
            }
        }
        Ok(())
    }

    fn commit(&mut self, group: &[(u64, Write)]) -> Result<(), Refusal> {
        debug_assert!(group.len() <= GROUP, "a group is bounded");
        let connection = &mut self.connection;
        let committed = catch_unwind(AssertUnwindSafe(|| -> Result<usize, Failure> {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut bytes = 0_usize;
            for (_, write) in group {
                bytes = bytes.saturating_add(apply::apply(&transaction, write)?);
            }
            transaction.commit()?;
            Ok(bytes)
        }));
        match committed {
            Ok(Ok(bytes)) => {
                self.since_checkpoint = self.since_checkpoint.saturating_add(bytes);
                self.counters.commits.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Ok(Err(failure)) => {
                self.roll_back();
                let sqlite = match &failure {
                    Failure::Sqlite(error) => Some(error),
                    Failure::Json(_) => None,
                };
                let contention = sqlite.is_some_and(schema::is_contention);
                let full = sqlite.and_then(rusqlite::Error::sqlite_error_code) == Some(ErrorCode::DiskFull);
                Err(Refusal { text: failure.to_string(), contention, full })
            }
            Err(_) => {
                self.roll_back();
                Err(Refusal { text: "the store panicked".to_owned(), contention: false, full: false })
            }
        }
    }

    fn complete(&mut self, token: u64, result: Result<(), String>) {
        let counter = if result.is_ok() { &self.counters.stored } else { &self.counters.failed };
        counter.fetch_add(1, Ordering::Relaxed);
        match &result {
            Err(text) if !self.failing => tracing::error!("records are not stored: {text}"),
            Ok(()) if self.failing => tracing::info!("records are stored again"),
            _ => {}
        }
        self.failing = result.is_err();
        if catch_unwind(AssertUnwindSafe(|| (self.options.completed)(token, result))).is_err() {
            tracing::error!("the callback of the store panicked");
        }
    }

    /// Runs what nobody waits for: without a sync, and with its failure logged.
    fn guarded(&mut self, work: impl FnOnce(&mut Self) -> Result<(), Failure>) {
        match catch_unwind(AssertUnwindSafe(|| work(self))) {
            Ok(Ok(())) => {
                self.untidy = false;
                return;
            }
            Ok(Err(error)) if !self.untidy => tracing::warn!("the store could not do its housekeeping: {error}"),
            Ok(Err(_)) => {}
            Err(_) => tracing::error!("the store panicked at its housekeeping"),
        }
        self.untidy = true;
        self.roll_back();
    }

    fn roll_back(&self) {
        if !self.connection.is_autocommit() && self.connection.execute_batch("ROLLBACK").is_err() {
            tracing::error!("a transaction could not be rolled back");
        }
    }

    /// Runs `work` in a transaction that is not synced to the disk on its own.
    fn unsynced<T>(&mut self, work: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, Failure> {
        self.connection.execute_batch("PRAGMA synchronous = NORMAL")?;
        let result = catch_unwind(AssertUnwindSafe(|| {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        }));
        self.roll_back();
        self.connection.execute_batch("PRAGMA synchronous = FULL")?;
        result.unwrap_or_else(|_| Err(Failure::Sqlite(rusqlite::Error::InvalidQuery)))
    }

    fn add_ladders(&mut self, entries: &[(CallId, LadderEntry)]) -> Result<(), Failure> {
        if entries.is_empty() {
            return Ok(());
        }
        let added = self.unsynced(|connection| {
            let (mut bytes, mut shed) = (0_u64, 0_u64);
            for (call, entry) in entries {
                match ladder::insert(connection, call, entry)? {
                    Some(more) => bytes = bytes.saturating_add(more),
                    None => shed += 1,
                }
            }
            Ok((bytes, shed))
        });
        match added {
            Ok((bytes, shed)) => {
                self.ladder_bytes = self.ladder_bytes.saturating_add(bytes);
                self.since_checkpoint = self.since_checkpoint.saturating_add(usize::try_from(bytes).unwrap_or(0));
                self.counters.ladders_shed.fetch_add(shed, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                self.counters.ladders_shed.fetch_add(entries.len() as u64, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    /// Notes that we live, each second while calls are open.
    fn beat(&mut self) -> Result<(), Failure> {
        let now = (self.options.now_ms)();
        if now.abs_diff(self.heartbeat_ms) < HEARTBEAT.as_millis() as u64 {
            return Ok(());
        }
        self.heartbeat_ms = now;
        let open: bool = self
            .connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM calls WHERE open = 1)")?
            .query_row([], |row| row.get(0))?;
        if !open {
            return Ok(());
        }
        self.unsynced(|connection| {
            connection
                .prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES ('heartbeat', ?1)")?
                .execute(params![now])?;
            Ok(())
        })
    }

    /// Drops ladder entries beyond the bytes (at once) and the age (each minute) they are kept.
    fn trim(&mut self) -> Result<(), Failure> {
        if self.ladder_bytes > self.options.retain_ladder_bytes {
            let freed = self.unsynced(|connection| Ok(ladder::delete_oldest(connection)?))?;
            self.ladder_bytes = self.ladder_bytes.saturating_sub(freed);
        }
        let now = (self.options.now_ms)();
        if now.abs_diff(self.trimmed_ms) < TRIM_MS.unsigned_abs() {
            return Ok(());
        }
        let kept_ms = i64::try_from(self.options.retain_ladders.as_millis()).unwrap_or(i64::MAX);
        let before_us = now.saturating_sub(kept_ms).saturating_mul(1_000);
        let freed = self.unsynced(|connection| Ok(ladder::delete_before(connection, before_us)?))?;
        self.ladder_bytes = self.ladder_bytes.saturating_sub(freed);
        if freed == 0 {
            // Nothing is left that is too old; until then a chunk goes in each turn.
            self.trimmed_ms = now;
        }
        Ok(())
    }

    /// Folds the log into the file as far as no query still reads it.
    fn checkpoint(&mut self) -> Result<(), Failure> {
        self.since_checkpoint = 0;
        self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        Ok(())
    }
}

/// Why a group was not committed.
struct Refusal {
    text: String,
    /// Somebody else holds the file: trying each record alone would only wait again.
    contention: bool,
    /// The disk, or the file's quota, is full.
    full: bool,
}
