//! What can go wrong with the file.

use std::{io, path::PathBuf};

/// Why the store could not be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory or a file in it cannot be made or protected.
    #[error("{path}: {why}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        why: io::Error,
    },
    /// Another process has the store open.
    #[error("{path} is held by another process; stop it or choose another `data_dir`")]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// The file was written by a later release.
    #[error("the file has schema version {found}, this release knows {known}; use the release that wrote it")]
    Newer {
        /// The file's version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// A row does not hold what it should.
    #[error("the record {id} in {table} cannot be read: {why}")]
    Record {
        /// The table.
        table: &'static str,
        /// The row's id.
        id: String,
        /// What the parser said.
        why: serde_json::Error,
    },
    /// SQLite's own.
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
}
