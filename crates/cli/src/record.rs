//! `trunkline trunk` and `trunkline rule`: create from the JSON files `lk` takes, list, get, set
//! our own options, delete.

use crate::{client::Server, say::say, table};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use std::io::Read;

/// What differs between trunks and rules.
pub(crate) struct Kind {
    id: &'static str,
    options_key: &'static str,
    create: &'static str,
    list: &'static [&'static str],
    list_filter: &'static str,
    delete: &'static str,
    /// Creates a record whose `trunk` has an `address`: whom to call.
    create_outbound: Option<&'static str>,
}

/// Options that are lists: `key=a,b` is one of two.
const LISTS: &[&str] = &["routes", "allowed_destinations", "transfer"];

pub(crate) const TRUNKS: Kind = Kind {
    id: "sip_trunk_id",
    options_key: "trunk_id",
    create: "livekit.SIP/CreateSIPInboundTrunk",
    list: &["livekit.SIP/ListSIPInboundTrunk", "livekit.SIP/ListSIPOutboundTrunk"],
    list_filter: "trunk_ids",
    delete: "livekit.SIP/DeleteSIPTrunk",
    create_outbound: Some("livekit.SIP/CreateSIPOutboundTrunk"),
};

pub(crate) const RULES: Kind = Kind {
    id: "sip_dispatch_rule_id",
    options_key: "rule_id",
    create: "livekit.SIP/CreateSIPDispatchRule",
    list: &["livekit.SIP/ListSIPDispatchRule"],
    list_filter: "dispatch_rule_ids",
    delete: "livekit.SIP/DeleteSIPDispatchRule",
    create_outbound: None,
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
    /// Create from a JSON file; `-` reads standard input. A trunk with an `address` calls out
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
                let body = read(file)?;
                let method = match kind.create_outbound {
                    Some(outbound) if !body["trunk"]["address"].is_null() => outbound,
                    _ => kind.create,
                };
                let created = call(method, body)?;
                match self.json {
                    true => say!("{created:#}"),
                    false => say!("{}", created[kind.id].as_str().unwrap_or_default()),
                }
            }
            Command::List => {
                let items = self.list(kind, &json!({}))?;
                if self.json {
                    say!("{:#}", Value::Array(items));
                } else {
                    let rows: Vec<_> = items.iter().map(|item| row(item, kind)).collect();
                    table::print(&["id", "name", "numbers", "calls"], &rows);
                }
            }
            Command::Get { id } => {
                let items = self.list(kind, &json!({ kind.list_filter: [id] }))?;
                // What is not there comes as a record with its id alone, or not at all.
                let fields = |item: &Value| item.as_object().map_or(0, Map::len);
                let found = items.into_iter().filter(|item| item[kind.id] == id.as_str()).max_by_key(fields);
                let Some(found) = found.filter(|item| fields(item) > 1) else {
                    bail!("{id} does not exist; see the list");
                };
                let options = call("trunkline.Options/GetOptions", json!({ kind.options_key: id }))?;
                say!("{:#}", json!({ "record": found, "options": options["options"] }));
            }
            Command::Set { id, options } => {
                let mut held = call("trunkline.Options/GetOptions", json!({ kind.options_key: id }))?["options"].take();
                let map = held.as_object_mut().context("the server sent no options")?;
                set(map, options)?;
                let answer = call("trunkline.Options/SetOptions", json!({ kind.options_key: id, "options": map }))?;
                say!("{:#}", answer["options"]);
            }
            Command::Delete { id } => {
                call(kind.delete, json!({ kind.id: id }))?;
                say!("deleted {id}");
            }
        }
        Ok(())
    }
}

impl Records {
    /// All records of the kind, inbound trunks first.
    fn list(&self, kind: &Kind, body: &Value) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        for method in kind.list {
            let mut answer = self.server.call_blocking(method, body.clone())?;
            if let Value::Array(found) = answer["items"].take() {
                items.extend(found);
            }
        }
        Ok(items)
    }
}

fn set(map: &mut Map<String, Value>, options: &[String]) -> anyhow::Result<()> {
    for option in options {
        let (key, value) = option.split_once('=').with_context(|| format!("{option:?} is not key=value"))?;
        let value = match serde_json::from_str(value) {
            Ok(value @ (Value::Array(_) | Value::Null)) => value,
            _ if LISTS.contains(&key) => value.split(',').map(|item| Value::String(item.trim().into())).collect(),
            Ok(value) => value,
            Err(_) => Value::String(value.into()),
        };
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
    vec![text(kind.id), text("name"), numbers.join(" "), text("address")]
}

#[cfg(test)]
mod tests {
    use super::set;
    use serde_json::{Map, Value, json};

    #[test]
    fn options_are_read_as_what_they_are() {
        let mut map: Map<String, Value> = serde_json::from_value(json!({"drain_ms": 5, "register": true})).unwrap();
        let given =
            ["allowed_destinations=+1,49", "routes=[\"sip:a\"]", "transfer=refer", "max_calls=2", "drain_ms=null"];
        set(&mut map, &given.map(str::to_owned)).unwrap();
        let wanted = json!({"allowed_destinations": ["+1", "49"], "routes": ["sip:a"], "transfer": ["refer"],
            "max_calls": 2, "register": true});
        assert_eq!(Value::Object(map.clone()), wanted);
        assert!(set(&mut map, &["max_calls".to_owned()]).is_err());
    }
}
