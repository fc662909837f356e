//! Queries, on connections that cannot write.

use crate::{Error, load, schema};
use rusqlite::{Connection, OptionalExtension, params};
use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
};
use trunkline_call::record::{CallRecord, LadderEntry};

/// Idle connections that are kept.
const IDLE: usize = 4;
/// Records one query returns at most.
const CALLS: usize = 10_000;

/// Answers queries from any thread; it sees what has been committed. Each query takes an idle
/// connection or opens one, so that queries do not wait for each other.
#[derive(Debug)]
pub struct Reader {
    file: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Reader {
    pub(crate) fn new(file: PathBuf) -> Self {
        Self { file, idle: Mutex::new(Vec::new()) }
    }

    /// The newest `limit` calls (at most 10,000), newest first; with `before` only those created
    /// before that moment, Unix milliseconds.
    pub fn calls(&self, limit: usize, before: Option<i64>) -> Result<Vec<CallRecord>, Error> {
        let limit = i64::try_from(limit.min(CALLS)).unwrap_or(i64::MAX);
        self.with(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, record FROM calls WHERE created_at_ms < ?1
                 ORDER BY created_at_ms DESC, rowid DESC LIMIT ?2",
            )?;
            let mut rows = statement.query(params![before.unwrap_or(i64::MAX), limit])?;
            let mut calls = Vec::new();
            while let Some(row) = rows.next()? {
                calls.push(load::parse(
                    "calls",
                    row.get(0)?,
                    row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?,
                )?);
            }
            Ok(calls)
        })
    }

    /// One call, by its `SCL_…`.
    pub fn call(&self, id: &str) -> Result<Option<CallRecord>, Error> {
        self.with(|connection| {
            let json: Option<String> = connection
                .prepare_cached("SELECT record FROM calls WHERE id = ?1")?
                .query_row([id], |row| row.get(0))
                .optional()?;
            json.map(|json| load::parse("calls", id.to_owned(), &json)).transpose()
        })
    }

    /// The messages of a call, in order of time; empty if there are none (any more).
    pub fn ladder(&self, id: &str) -> Result<Vec<LadderEntry>, Error> {
        self.with(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT entry FROM ladder WHERE call = ?1 ORDER BY at_us, rowid")?;
            let mut rows = statement.query([id])?;
            let mut entries = Vec::new();
            while let Some(row) = rows.next()? {
                let json = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
                entries.push(load::parse("ladder", id.to_owned(), json)?);
            }
            Ok(entries)
        })
    }

    fn with<T>(&self, query: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => schema::open_reader(&self.file)?,
        };
        let answer = query(&connection)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(connection);
        }
        Ok(answer)
    }
}
