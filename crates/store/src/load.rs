//! What a start finds: the directory of trunks and rules, and the calls that a crash left open.

use crate::{
    Error, OptionsOwner,
    apply::{self, Failure, INBOUND, OUTBOUND},
};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use serde::de::DeserializeOwned;
use std::{fs::File, io::Read, path::PathBuf};
use trunkline_call::record::{CallRecord, CallStatus, Ending};
use trunkline_routing::record::{DispatchRule, InboundTrunk, Options, OutboundTrunk};
use trunkline_types::EndReason;

/// Everything the control plane begins with.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// All inbound trunks, by id.
    pub inbound_trunks: Vec<InboundTrunk>,
    /// All outbound trunks, by id.
    pub outbound_trunks: Vec<OutboundTrunk>,
    /// All dispatch rules, by id.
    pub rules: Vec<DispatchRule>,
    /// All options of ours.
    pub options: Vec<(OptionsOwner, Options)>,
    /// The calls that were open when the process before died: closed now as `server_crash`, over
    /// since its last heartbeat. Each is reported by one start only.
    pub orphans: Vec<CallRecord>,
    /// This deployment's secret, the same at every start.
    pub secret: [u8; 32],
}

/// Loads everything and closes the orphans.
pub(crate) fn load(connection: &mut Connection) -> Result<Loaded, Error> {
    Ok(Loaded {
        inbound_trunks: trunks(connection, INBOUND)?,
        outbound_trunks: trunks(connection, OUTBOUND)?,
        rules: records(connection, "rules", "SELECT id, record FROM rules ORDER BY id")?,
        options: options(connection)?,
        orphans: close_orphans(connection)?,
        secret: secret(connection)?,
    })
}

fn trunks<T: DeserializeOwned>(connection: &Connection, kind: i64) -> Result<Vec<T>, Error> {
    let select = format!("SELECT id, record FROM trunks WHERE kind = {kind} ORDER BY id");
    records(connection, "trunks", &select)
}

fn records<T: DeserializeOwned>(connection: &Connection, table: &'static str, select: &str) -> Result<Vec<T>, Error> {
    let mut statement = connection.prepare(select)?;
    let mut rows = statement.query([])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(parse(table, row.get(0)?, &row.get::<_, String>(1)?)?);
    }
    Ok(records)
}

/// A record from its JSON; a broken one is an error that names it, because a trunk that silently
/// went missing would let callers through or keep them out.
pub(crate) fn parse<T: DeserializeOwned>(table: &'static str, id: String, json: &str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|why| Error::Record { table, id, why })
}

fn options(connection: &Connection) -> Result<Vec<(OptionsOwner, Options)>, Error> {
    let mut statement =
        connection.prepare("SELECT owner, record, owner_kind FROM options ORDER BY owner_kind, owner")?;
    let mut rows = statement.query([])?;
    let mut options = Vec::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        let of_rule = row.get::<_, i64>(2)? == 1;
        let parsed = parse("options", id.clone(), &row.get::<_, String>(1)?)?;
        let owner = if of_rule { OptionsOwner::Rule(id.into()) } else { OptionsOwner::Trunk(id.into()) };
        options.push((owner, parsed));
    }
    Ok(options)
}

fn close_orphans(connection: &mut Connection) -> Result<Vec<CallRecord>, Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let heartbeat: Option<i64> =
        transaction.query_row("SELECT value FROM meta WHERE key = 'heartbeat'", [], |row| row.get(0)).optional()?;
    let open: Vec<(String, String)> = transaction
        .prepare("SELECT id, record FROM calls WHERE open = 1 ORDER BY created_at_ms, id")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut orphans = Vec::new();
    for (id, json) in open {
        match serde_json::from_str::<CallRecord>(&json) {
            Ok(mut call) => {
                close(&mut call, heartbeat);
                match apply::put_call(&transaction, &call) {
                    Ok(_) => orphans.push(call),
                    Err(Failure::Sqlite(error)) => return Err(error.into()),
                    Err(Failure::Json(why)) => return Err(Error::Record { table: "calls", id, why }),
                }
            }
            Err(why) => {
                // A record nobody can read must not keep the server from starting.
                tracing::error!("the open record of call {id} cannot be read and stays as it is: {why}");
                transaction.execute("UPDATE calls SET open = 0 WHERE id = ?1", [&id])?;
            }
        }
    }
    transaction.commit()?;
    Ok(orphans)
}

/// The process was alive at its last heartbeat and at every moment the record itself names.
fn close(call: &mut CallRecord, heartbeat: Option<i64>) {
    let reason = EndReason::ServerCrash;
    let moments = [heartbeat, call.ringing_at_ms, call.answered_at_ms];
    call.ended_at_ms = Some(moments.into_iter().flatten().fold(call.created_at_ms, i64::max));
    call.status = CallStatus::Hangup;
    call.ending = Some(Ending {
        reason,
        by: reason.ended_by(),
        disconnect_reason: reason.disconnect_reason(),
        sip_status: None,
        q850: None,
        text: "the server died while the call ran".to_owned(),
    });
}

fn secret(connection: &Connection) -> Result<[u8; 32], Error> {
    let mut fresh = [0; 32];
    let path = PathBuf::from("/dev/urandom");
    let read = File::open(&path).and_then(|mut file| file.read_exact(&mut fresh));
    read.map_err(|why| Error::File { path, why })?;
    connection.execute("INSERT OR IGNORE INTO meta (key, value) VALUES ('secret', ?1)", params![fresh])?;
    Ok(connection.query_row("SELECT value FROM meta WHERE key = 'secret'", [], |row| row.get(0))?)
}
