//! `trunkline calls`.

use crate::{
    client::Server,
    dial::{Dial, headers},
    explain, ladder,
    say::say,
    table,
};
use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

#[derive(Args)]
pub(crate) struct Calls {
    #[command(flatten)]
    server: Server,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The last calls
    List {
        /// At most this many
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// One call: ladder, receipts, explanation
    Show {
        /// SCL_…
        id: String,
    },
    /// Call a number into a room
    Dial(Dial),
    /// Move the far end of a call on (REFER), and say how it went
    Transfer {
        /// SCL_…
        id: String,
        /// sip:, sips: or tel:, sent as it is written
        target: String,
        /// A header of the REFER, such as 'X-Reason: billing'
        #[arg(long = "header")]
        headers: Vec<String>,
        /// Seconds it may take
        #[arg(long)]
        timeout: Option<u32>,
    },
    /// Put the far end of a call on hold
    Hold {
        /// SCL_…
        id: String,
    },
    /// Take it back
    Resume {
        /// SCL_…
        id: String,
    },
}

impl Calls {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match &self.command {
            Command::List { limit } => {
                let calls = self.server.call_blocking("trunkline.Calls/ListCalls", json!({ "limit": limit }))?;
                if self.json {
                    say!("{calls:#}");
                    return Ok(());
                }
                let rows: Vec<_> = calls["calls"].as_array().into_iter().flatten().map(row).collect();
                table::print(&["call", "status", "from", "to", "room", "ended by"], &rows);
            }
            Command::Show { id } => {
                let call = self.server.call_blocking("trunkline.Calls/GetCall", json!({ "call_id": id }))?;
                let entries = self.server.call_blocking("trunkline.Calls/GetLadder", json!({ "call_id": id }))?;
                if self.json {
                    say!("{:#}", json!({ "call": call["call"], "ladder": entries["entries"] }));
                    return Ok(());
                }
                say!("{}", ladder::draw(entries["entries"].as_array().map_or(&[], Vec::as_slice)));
                receipts(&call["call"]);
                transfers(&call["call"]);
                latency(&call["call"]["media"]);
                say!("");
                explain::print(&call["call"]["explanation"]);
            }
            Command::Dial(dial) => dial.run(&self.server, self.json)?,
            Command::Transfer { id, target, headers: given, timeout } => {
                let (room, identity) = self.participant(id)?;
                let mut body = json!({
                    "room_name": room, "participant_identity": identity, "transfer_to": target,
                    "headers": headers(given)?,
                });
                if let Some(seconds) = timeout {
                    body["ringing_timeout"] = json!(format!("{seconds}s"));
                }
                let answer = self.server.call_in_room("livekit.SIP/TransferSIPParticipant", &room, body)?;
                match self.json {
                    true => say!("{answer:#}"),
                    false => say!("{} {}", text(&answer["transfer_id"]), text(&answer["reason"])),
                }
            }
            Command::Hold { id } => self.hold("Hold", id)?,
            Command::Resume { id } => self.hold("Resume", id)?,
        }
        Ok(())
    }

    fn hold(&self, method: &str, id: &str) -> anyhow::Result<()> {
        let (room, identity) = self.participant(id)?;
        let body = json!({ "room": room, "identity": identity });
        self.server.call_in_room(&format!("trunkline.Calls/{method}"), &room, body)?;
        Ok(())
    }

    /// Room and identity of a call that runs.
    fn participant(&self, id: &str) -> anyhow::Result<(String, String)> {
        let call = self.server.call_blocking("trunkline.Calls/GetCall", json!({ "call_id": id }))?["call"].take();
        if !call["ended_at_ms"].is_null() {
            bail!("call {id} is over; `trunkline calls list` shows those that run");
        }
        Ok((text(&call["room_name"]), text(&call["participant_identity"])))
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string().replace("null", ""), str::to_owned)
}

fn row(call: &Value) -> Vec<String> {
    ["call_id", "status", "from", "to", "room_name"]
        .iter()
        .map(|key| text(&call[*key]))
        .chain([text(&call["ending"]["reason"])])
        .collect()
}

/// How long the audio of a call took, if it had any.
fn latency(media: &Value) {
    let ways = [("phone → room", &media["audio_up"]), ("room → phone", &media["audio_down"])];
    let rows: Vec<_> = ways
        .into_iter()
        .filter(|(_, took)| took["count"].as_u64().is_some_and(|count| count > 0))
        .map(|(way, took)| {
            let ms = |key: &str| format!("{:.1}", took[key].as_f64().unwrap_or_default() / 1e3);
            vec![way.to_owned(), ms("p50_us"), ms("p95_us"), ms("p99_us"), ms("max_us")]
        })
        .collect();
    if !rows.is_empty() {
        say!("");
        table::print(&["audio, ms", "p50", "p95", "p99", "max"], &rows);
    }
}

/// The transfers of a call, if it had any: a row for each way that was tried.
fn transfers(call: &Value) {
    let mut rows = Vec::new();
    for transfer in call["transfers"].as_array().into_iter().flatten() {
        for attempt in transfer["attempts"].as_array().into_iter().flatten() {
            let came_of_it = text(&attempt["text"]);
            let outcome = text(&transfer["outcome"]);
            rows.push(vec![
                text(&transfer["id"]),
                text(&transfer["target"]),
                text(&attempt["method"]),
                outcome,
                came_of_it,
            ]);
        }
    }
    if !rows.is_empty() {
        say!("");
        table::print(&["transfer", "target", "by", "outcome", "what came of it"], &rows);
    }
}

/// The receipts of a call as a table.
pub(crate) fn receipts(call: &Value) {
    let rows: Vec<_> = call["receipts"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|r| {
            let why = [&r["how"], &r["why"]].iter().map(|v| text(v)).collect::<String>();
            let outcome = format!("{} {why}", text(&r["outcome"]));
            vec![text(&r["message"]), text(&r["header"]), text(&r["value"]), text(&r["acknowledged_by"]), outcome]
        })
        .collect();
    table::print(&["message", "header", "value", "acknowledged", "outcome"], &rows);
}
