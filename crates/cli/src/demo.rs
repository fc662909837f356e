//! `trunkline demo`: the main job on real sockets, told as it happens.

use crate::{calls::receipts, client::Server as Client, ladder, say::say, table};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};
use std::{path::PathBuf, thread::JoinHandle, time::Duration};
use trunkline_server::{
    Server,
    config::{Source, load},
};
use trunkline_sim::persona::{self, CallResult, Five9};

#[derive(Args)]
pub(crate) struct Demo {
    /// Print the evidence as JSON at the end
    #[arg(long)]
    json: bool,
}

/// The route the agent decides on: attribute, header, value.
const ROUTE: [(&str, &str, &str); 4] = [
    ("five9.route_reason", "X-RouteReason", "caller wants to renew a contract"),
    ("five9.route_type", "X-RouteType", "SKILL_TRANSFER"),
    ("five9.route_value", "X-RouteValue", "Sales"),
    ("five9.metadata", "X-MetaData", r#"{"intent":"renewal","confidence":0.95}"#),
];

struct Checks(Vec<(bool, String)>);

impl Checks {
    fn note(&mut self, ok: bool, text: impl Into<String>) {
        let text = text.into();
        say!("  {} {text}", if ok { "✓" } else { "✗" });
        self.0.push((ok, text));
    }
}

impl Demo {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let folder = std::env::temp_dir().join(format!("trunkline-demo-{}", std::process::id()));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let done = runtime.block_on(self.play(folder.clone()));
        // A folder of the system's own for such things; what is left there does no harm.
        let _ = std::fs::remove_dir_all(folder);
        done
    }

    async fn play(self, folder: PathBuf) -> anyhow::Result<()> {
        say!("Starting Trunkline on free loopback ports");
        let body = format!(
            "port: 0\nbind_addresses: [127.0.0.1]\nlisten_ip: 127.0.0.1\nsip_port: 0\nrtp_port: 0\nrtc: {{ udp_port: 0, tcp_port: 0 }}\n\
             keys: {{ demokey: demosecret }}\ndata_dir: {}\n",
            folder.display()
        );
        let (config, _) = load(&Source::Body(body), &|_| None)?;
        let server = Server::start(config).await?;
        let addresses = server.addresses().clone();
        say!("  HTTP {}   SIP {}", addresses.http, addresses.sip_udp.context("no SIP address")?);
        let client = Client {
            url: format!("http://{}", addresses.http),
            api_key: "demokey".into(),
            api_secret: "demosecret".into(),
        };
        let mut checks = Checks(Vec::new());
        let sip = addresses.sip_udp.context("no SIP address")?;
        create(&client, &mut checks).await?;
        say!("\nFive9 calls +15551234567 with its X-Call headers");
        let persona = Five9 { limit: Duration::from_secs(20), ..Five9::new(sip) };
        let caller: JoinHandle<_> = std::thread::spawn(move || persona::call(&persona));
        let (room, participant) = answered(&client).await?;
        checks.note(true, format!("the caller is {} in the room {room}", participant["identity"]));
        let rows: Vec<_> = participant["attributes"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| vec![key.clone(), value.as_str().unwrap_or_default().to_owned()])
            .collect();
        table::print(&["attribute", "value"], &rows);
        checks.note(participant["kind"] == "SIP", "its kind is SIP");
        checks.note(participant["attributes"]["five9.call_ani"] == "5550100001", "X-CallANI became five9.call_ani");

        say!("\nThe agent sets the route and deletes the room");
        let identity = participant["identity"].as_str().unwrap_or_default();
        let attributes: Value = ROUTE.iter().map(|(name, _, value)| ((*name).to_owned(), json!(value))).collect();
        let update = json!({ "room": room, "identity": identity, "attributes": attributes });
        client.call("livekit.RoomService/UpdateParticipant", &room, update).await?;
        client.call("livekit.RoomService/DeleteRoom", &room, json!({ "room": room })).await?;
        let heard = tokio::task::spawn_blocking(move || caller.join()).await?.ok().context("the caller panicked")??;
        judge(&heard, &mut checks);
        let evidence = evidence(&client).await?;
        let entries = evidence["entries"].as_array().cloned().unwrap_or_default();
        say!("\nThe ladder\n{}", ladder::draw(&entries));
        say!("The receipts");
        receipts(&evidence["call"]);
        checks.note(
            acknowledged(&evidence["call"]) == ROUTE.len(),
            "every header of the BYE has a receipt, acknowledged by 200",
        );
        server.shut_down().await;
        if self.json {
            say!("{evidence:#}");
        }
        let failed = checks.0.iter().filter(|(ok, _)| !ok).count();
        if failed > 0 {
            bail!("{failed} of {} checks failed", checks.0.len());
        }
        say!("\nAll {} checks passed.", checks.0.len());
        Ok(())
    }
}

async fn create(client: &Client, checks: &mut Checks) -> anyhow::Result<()> {
    let trunk = json!({ "trunk": {
        "name": "Five9 Inbound",
        "numbers": ["+15551234567"],
        "headers_to_attributes": {
            "X-CallANI": "five9.call_ani",
            "X-CallDNIS": "five9.call_dnis",
            "X-CallID": "five9.call_id",
            "X-CallSessionID": "five9.session_id",
        },
        "attributes_to_headers": ROUTE.iter().map(|(a, h, _)| ((*a).to_owned(), json!(h))).collect::<Value>(),
    }});
    let trunk = client.call("livekit.SIP/CreateSIPInboundTrunk", "", trunk).await?;
    checks.note(trunk["sip_trunk_id"].is_string(), format!("the trunk {} is stored", trunk["sip_trunk_id"]));
    let rule = json!({ "dispatch_rule": {
        "name": "One room per caller",
        "rule": { "dispatch_rule_individual": { "room_prefix": "call" } },
        "room_config": { "agents": [{ "agent_name": "trunkline.greeter" }] },
    }});
    let rule = client.call("livekit.SIP/CreateSIPDispatchRule", "", rule).await?;
    let id = &rule["sip_dispatch_rule_id"];
    checks.note(id.is_string(), format!("the rule {id} dispatches the greeter"));
    Ok(())
}

/// Waits until the SIP participant is active.
async fn answered(client: &Client) -> anyhow::Result<(String, Value)> {
    for _ in 0..500 {
        let rooms = client.call("livekit.RoomService/ListRooms", "", json!({})).await?;
        if let Some(room) = rooms["rooms"][0]["name"].as_str() {
            let list = client.call("livekit.RoomService/ListParticipants", room, json!({ "room": room })).await?;
            let sip = list["participants"].as_array().into_iter().flatten().find(|p| p["kind"] == "SIP");
            if let Some(sip) = sip.filter(|p| p["attributes"]["sip.callStatus"] == "active") {
                return Ok((room.to_owned(), sip.clone()));
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bail!("nobody answered the call within 5 s")
}

fn judge(heard: &CallResult, checks: &mut Checks) {
    checks.note(heard.status == Some(200), "the call was answered with 200");
    let loud = heard.peak > 4_000;
    checks.note(loud, format!("Five9 heard the greeter: {} packets, peak {}", heard.rtp_packets, heard.peak));
    let bye = heard.bye.clone().unwrap_or_default();
    say!("\nWhat Five9 received with the BYE");
    for line in bye.lines().filter(|l| l.starts_with("X-")) {
        say!("  {line}");
    }
    for (_, header, value) in ROUTE {
        checks.note(bye.contains(&format!("\r\n{header}: {value}\r\n")), format!("{header} arrived byte for byte"));
    }
}

/// The finished call with its ladder.
async fn evidence(client: &Client) -> anyhow::Result<Value> {
    for _ in 0..300 {
        let calls = client.call("trunkline.Calls/ListCalls", "", json!({ "limit": 1 })).await?;
        let call = calls["calls"][0].clone();
        if call["status"] == "hangup" && acknowledged(&call) == ROUTE.len() {
            let ladder = client.call("trunkline.Calls/GetLadder", "", json!({ "call_id": call["call_id"] })).await?;
            if ladder["entries"].as_array().is_some_and(|e| e.iter().any(is_answer_to_bye)) {
                return Ok(json!({ "call": call, "entries": ladder["entries"] }));
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bail!("the call's record was not complete within 3 s")
}

fn is_answer_to_bye(entry: &Value) -> bool {
    entry["sent"] == false && entry["text"].as_str().is_some_and(|t| t.starts_with("SIP/2.0 200") && t.contains(" BYE"))
}

fn acknowledged(call: &Value) -> usize {
    let receipts = call["receipts"].as_array().into_iter().flatten();
    receipts.filter(|r| r["message"] == "BYE" && r["acknowledged_by"] == 200).count()
}
