//! The files, their modes and the tables.

use crate::{Error, StoreOptions};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use std::{
    fs::{self, DirBuilder, OpenOptions, Permissions},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

/// The version this release writes.
const VERSION: i64 = 1;
/// How long a start waits for the process before it to let go.
const TAKE_OVER: Duration = Duration::from_secs(1);

const TABLES: &str = "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE trunks (id TEXT PRIMARY KEY, kind INTEGER NOT NULL, record TEXT NOT NULL);
    CREATE TABLE rules (id TEXT PRIMARY KEY, record TEXT NOT NULL);
    CREATE TABLE options (
        owner_kind INTEGER NOT NULL, owner TEXT NOT NULL, record TEXT NOT NULL,
        PRIMARY KEY (owner_kind, owner)
    ) WITHOUT ROWID;
    CREATE TABLE calls (
        id TEXT NOT NULL UNIQUE, created_at_ms INTEGER NOT NULL, open INTEGER NOT NULL, record TEXT NOT NULL
    );
    CREATE INDEX calls_created ON calls (created_at_ms);
    CREATE INDEX calls_open ON calls (id) WHERE open = 1;
    CREATE TABLE ladder (call TEXT NOT NULL, at_us INTEGER NOT NULL, bytes INTEGER NOT NULL, entry TEXT NOT NULL);
    CREATE INDEX ladder_call ON ladder (call, at_us);
    CREATE INDEX ladder_age ON ladder (at_us, bytes);
";

/// The database file in `dir`.
pub(crate) fn file(dir: &Path) -> PathBuf {
    dir.join("trunkline.db")
}

/// Keeps every other process out while it lives; the operating system lets go when we die.
pub(crate) struct Lock(#[expect(dead_code, reason = "held for its lock")] Connection);

/// Makes the directory if need be and takes its lock.
pub(crate) fn lock(dir: &Path) -> Result<Lock, Error> {
    let failed = |why| Error::File { path: dir.to_owned(), why };
    if !dir.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    }
    let path = dir.join("trunkline.lock");
    private(&path)?;
    let connection = Connection::open(&path)?;
    connection.busy_timeout(TAKE_OVER)?;
    // Nothing is ever written to it, so it needs no journal beside it.
    match connection.execute_batch("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE") {
        Ok(()) => Ok(Lock(connection)),
        Err(error) if is_contention(&error) => Err(Error::InUse { path }),
        Err(error) => Err(error.into()),
    }
}

/// The writer's connection, with the tables made or brought up to date.
pub(crate) fn open_writer(dir: &Path, options: &StoreOptions) -> Result<Connection, Error> {
    let path = file(dir);
    // SQLite gives the -wal and -shm files the mode of the file they belong to.
    private(&path)?;
    let mut connection = Connection::open(&path)?;
    connection.busy_timeout(options.lock_timeout)?;
    connection.set_prepared_statement_cache_capacity(32);
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > VERSION {
        return Err(Error::Newer { found, known: VERSION });
    }
    // The writer checkpoints by itself, when nobody waits for a commit.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864;
         PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -4000;",
    )?;
    if let Some(pages) = options.max_pages {
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
    }
    if found < 1 {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()?;
    }
    Ok(connection)
}

/// A connection that cannot write.
pub(crate) fn open_reader(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(Duration::from_secs(2))?;
    Ok(connection)
}

/// Whether somebody else holds the file.
pub(crate) fn is_contention(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn private(path: &Path) -> Result<(), Error> {
    let failed = |why| Error::File { path: path.to_owned(), why };
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map_err(failed)?;
    drop(file);
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)
}
