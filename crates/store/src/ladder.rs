//! The ladder table: bounded per call, in bytes and in age.

use crate::apply::Failure;
use rusqlite::{Connection, params};
use trunkline_call::record::LadderEntry;
use trunkline_types::{CallId, limits};

/// Rows deleted at a time, so that no record waits long for it.
const CHUNK: i64 = 256;

/// The bytes all rows count together.
pub(crate) fn total_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let total: i64 = connection.query_row("SELECT coalesce(sum(bytes), 0) FROM ladder", [], |row| row.get(0))?;
    Ok(u64::try_from(total).unwrap_or(0))
}

/// Adds an entry; returns the bytes it counts, `None` if its call has as many as it may.
pub(crate) fn insert(connection: &Connection, call: &CallId, entry: &LadderEntry) -> Result<Option<u64>, Failure> {
    let json = serde_json::to_string(entry)?;
    let bytes = json.len();
    let added = connection
        .prepare_cached(
            "INSERT INTO ladder (call, at_us, bytes, entry) SELECT ?1, ?2, ?3, ?4
             WHERE (SELECT count(*) FROM ladder WHERE call = ?1) < ?5",
        )?
        .execute(params![
            call.as_str(),
            entry.at_us,
            i64::try_from(bytes).unwrap_or(i64::MAX),
            json,
            i64::try_from(limits::LADDER_ENTRIES).unwrap_or(i64::MAX),
        ])?;
    Ok((added == 1).then_some(bytes as u64))
}

/// Deletes a chunk of the oldest entries; returns the bytes they counted, 0 when there are none.
pub(crate) fn delete_oldest(connection: &Connection) -> rusqlite::Result<u64> {
    delete(connection, i64::MAX)
}

/// Deletes a chunk of the entries before `at_us`; returns the bytes they counted.
pub(crate) fn delete_before(connection: &Connection, at_us: i64) -> rusqlite::Result<u64> {
    delete(connection, at_us)
}

fn delete(connection: &Connection, before_us: i64) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached(
        "DELETE FROM ladder WHERE rowid IN
             (SELECT rowid FROM ladder WHERE at_us < ?1 ORDER BY at_us LIMIT ?2) RETURNING bytes",
    )?;
    let mut rows = statement.query(params![before_us, CHUNK])?;
    let mut freed = 0_u64;
    while let Some(row) = rows.next()? {
        freed = freed.saturating_add(u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0));
    }
    Ok(freed)
}
