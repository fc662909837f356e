//! `trunkline trunk` and `trunkline rule`: create from the JSON files `lk` takes, list, get, set
//! our own options, delete.

use crate::{client::Server, table};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use std::io::Read;

/// What differs between trunks and rules.
pub(crate) struct Kind {
    id: &'static str,
    options_key: &'static str,
    create: &'static str,
    list: &'static str,
    list_filter: &'static str,
    delete: &'static str,
}

pub(crate) const TRUNKS: Kind = Kind {
    id: "sip_trunk_id",
    options_key: "trunk_id",
    create: "livekit.SIP/CreateSIPInboundTrunk",
    list: "livekit.SIP/ListSIPInboundTrunk",
    list_filter: "trunk_ids",
    delete: "livekit.SIP/DeleteSIPTrunk",
};

pub(crate) const RULES: Kind = Kind {
    id: "sip_dispatch_rule_id",
    options_key: "rule_id",
    create: "livekit.SIP/CreateSIPDispatchRule",
    list: "livekit.SIP/ListSIPDispatchRule",
    list_filter: "dispatch_rule_ids",
    delete: "livekit.SIP/DeleteSIPDispatchRule",
};

#[derive(Args)]
pub(crate) struct Records {
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
    /// Create from a JSON file; `-` reads standard input
    Create { file: String },
    /// List all
    List,
    /// Show one with its options
    Get { id: String },
    /// Set options: key=value …
    Set { id: String, options: Vec<String> },
    /// Delete one
    Delete { id: String },
}

impl Records {
    pub(crate) fn run(self, kind: &Kind) -> anyhow::Result<()> {
        let call = |method: &str, body: Value| self.server.call_blocking(method, body);
        match &self.command {
            Command::Create { file } => {
                let created = call(kind.create, read(file)?)?;
                match self.json {
                    true => println!("{created:#}"),
                    false => println!("{}", created[kind.id].as_str().unwrap_or_default()),
                }
            }
            Command::List => {
                let items = call(kind.list, json!({}))?["items"].take();
                if self.json {
                    println!("{items:#}");
                } else {
                    let rows: Vec<_> = items.as_array().into_iter().flatten().map(|i| row(i, kind)).collect();
                    table::print(&["id", "name", "numbers"], &rows);
                }
            }
            Command::Get { id } => {
                let found = call(kind.list, json!({ kind.list_filter: [id] }))?["items"][0].take();
                if found[kind.id].is_null() {
                    bail!("{id} does not exist; see the list");
                }
                let options = call("trunkline.Options/GetOptions", json!({ kind.options_key: id }))?;
                println!("{:#}", json!({ "record": found, "options": options["options"] }));
            }
            Command::Set { id, options } => {
                let mut held = call("trunkline.Options/GetOptions", json!({ kind.options_key: id }))?["options"].take();
                let map = held.as_object_mut().context("the server sent no options")?;
                set(map, options)?;
                let answer = call("trunkline.Options/SetOptions", json!({ kind.options_key: id, "options": map }))?;
                println!("{:#}", answer["options"]);
            }
            Command::Delete { id } => {
                call(kind.delete, json!({ kind.id: id }))?;
                println!("deleted {id}");
            }
        }
        Ok(())
    }
}

fn set(map: &mut Map<String, Value>, options: &[String]) -> anyhow::Result<()> {
    for option in options {
        let (key, value) = option.split_once('=').with_context(|| format!("{option:?} is not key=value"))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.into()));
        map.insert(key.into(), value);
    }
    map.retain(|_, value| !value.is_null());
    Ok(())
}

fn read(file: &str) -> anyhow::Result<Value> {
    let mut text = String::new();
    if file == "-" {
        std::io::stdin().read_to_string(&mut text)?;
    } else {
        text = std::fs::read_to_string(file).with_context(|| file.to_owned())?;
    }
    serde_json::from_str(&text).with_context(|| format!("{file} is not JSON"))
}

fn row(item: &Value, kind: &Kind) -> Vec<String> {
    let numbers: Vec<_> = item["numbers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let text = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
    vec![text(kind.id), text("name"), numbers.join(" ")]
}
