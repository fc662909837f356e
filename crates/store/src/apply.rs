//! One write as statements inside a transaction.

use crate::{OptionsOwner, Write};
use rusqlite::{Connection, params};
use serde::Serialize;
use trunkline_call::record::{CallRecord, CallStatus};

/// Why a write was not applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the record cannot be serialised: {0}")]
    Json(#[from] serde_json::Error),
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// The kind column of `trunks`.
pub(crate) const INBOUND: i64 = 0;
/// The kind column of `trunks`.
pub(crate) const OUTBOUND: i64 = 1;

/// The `owner_kind` and `owner` columns of `options`.
fn owner(owner: &OptionsOwner) -> (i64, &str) {
    match owner {
        OptionsOwner::Trunk(id) => (0, id.as_str()),
        OptionsOwner::Rule(id) => (1, id.as_str()),
    }
}

/// Whether the call still runs as far as its record says.
pub(crate) fn is_open(call: &CallRecord) -> bool {
    call.ended_at_ms.is_none() && !matches!(call.status, CallStatus::Hangup | CallStatus::Refused)
}

/// Applies `write`; returns how many bytes of record it wrote.
pub(crate) fn apply(connection: &Connection, write: &Write) -> Result<usize, Failure> {
    match write {
        Write::PutInboundTrunk(trunk) => put_trunk(connection, trunk.id.as_str(), INBOUND, trunk),
        Write::PutOutboundTrunk(trunk) => put_trunk(connection, trunk.id.as_str(), OUTBOUND, trunk),
        Write::DeleteTrunk(id) => {
            connection.prepare_cached("DELETE FROM trunks WHERE id = ?1")?.execute([id.as_str()])?;
            delete_options(connection, &OptionsOwner::Trunk(id.clone()))
        }
        Write::PutRule(rule) => {
            let json = serde_json::to_string(rule)?;
            connection
                .prepare_cached(
                    "INSERT INTO rules (id, record) VALUES (?1, ?2)
                     ON CONFLICT (id) DO UPDATE SET record = excluded.record",
                )?
                .execute(params![rule.id.as_str(), json])?;
            Ok(json.len())
        }
        Write::DeleteRule(id) => {
            connection.prepare_cached("DELETE FROM rules WHERE id = ?1")?.execute([id.as_str()])?;
            delete_options(connection, &OptionsOwner::Rule(id.clone()))
        }
        Write::PutOptions(of, options) => {
            let (kind, id) = owner(of);
            let json = serde_json::to_string(options)?;
            connection
                .prepare_cached(
                    "INSERT INTO options (owner_kind, owner, record) VALUES (?1, ?2, ?3)
                     ON CONFLICT (owner_kind, owner) DO UPDATE SET record = excluded.record",
                )?
                .execute(params![kind, id, json])?;
            Ok(json.len())
        }
        Write::PutCall(call) => put_call(connection, call),
    }
}

/// Creates or replaces a call's row; a row that is over never opens again.
pub(crate) fn put_call(connection: &Connection, call: &CallRecord) -> Result<usize, Failure> {
    let json = serde_json::to_string(call)?;
    connection
        .prepare_cached(
            "INSERT INTO calls (id, created_at_ms, open, record) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE
             SET created_at_ms = excluded.created_at_ms, open = excluded.open, record = excluded.record
             WHERE open = 1 OR excluded.open = 0",
        )?
        .execute(params![call.call_id.as_str(), call.created_at_ms, is_open(call), json])?;
    Ok(json.len())
}

fn put_trunk(connection: &Connection, id: &str, kind: i64, trunk: &impl Serialize) -> Result<usize, Failure> {
    let json = serde_json::to_string(trunk)?;
    connection
        .prepare_cached(
            "INSERT INTO trunks (id, kind, record) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, record = excluded.record",
        )?
        .execute(params![id, kind, json])?;
    Ok(json.len())
}

fn delete_options(connection: &Connection, of: &OptionsOwner) -> Result<usize, Failure> {
    let (kind, id) = owner(of);
    connection
        .prepare_cached("DELETE FROM options WHERE owner_kind = ?1 AND owner = ?2")?
        .execute(params![kind, id])?;
    Ok(0)
}
