//! `trunkline calls`.

use crate::{client::Server, explain, ladder, table};
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
}

impl Calls {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::List { limit } => {
                let calls = self.server.call_blocking("trunkline.Calls/ListCalls", json!({ "limit": limit }))?;
                if self.json {
                    println!("{calls:#}");
                    return Ok(());
                }
                let rows: Vec<_> = calls["calls"].as_array().into_iter().flatten().map(row).collect();
                table::print(&["call", "status", "from", "to", "room", "ended by"], &rows);
            }
            Command::Show { id } => {
                let call = self.server.call_blocking("trunkline.Calls/GetCall", json!({ "call_id": id }))?;
                let entries = self.server.call_blocking("trunkline.Calls/GetLadder", json!({ "call_id": id }))?;
                if self.json {
                    println!("{:#}", json!({ "call": call["call"], "ladder": entries["entries"] }));
                    return Ok(());
                }
                println!("{}", ladder::draw(entries["entries"].as_array().map_or(&[], Vec::as_slice)));
                receipts(&call["call"]);
                latency(&call["call"]["media"]);
                println!();
                explain::print(&call["call"]["explanation"]);
            }
        }
        Ok(())
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
        println!();
        table::print(&["audio, ms", "p50", "p95", "p99", "max"], &rows);
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
