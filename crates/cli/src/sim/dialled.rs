//! `trunkline sim dialled`.

use super::callers::print;
use crate::{client::Server, sign::sign};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};
use tokio::{sync::Semaphore, time::interval};
use trunkline_sim::{
    dialled::{Called, Callees},
    load::LoadResult,
};

/// Requests under way at a time.
const AT_ONCE: usize = 512;

#[derive(Args)]
pub(crate) struct Dialled {
    #[command(flatten)]
    server: Server,
    /// Calls asked for per second
    #[arg(long, default_value_t = 100)]
    rate: u32,
    /// Calls in all
    #[arg(long, default_value_t = 1_000)]
    calls: u32,
    /// Each call is transferred, which ends it; otherwise whoever is called hangs up
    #[arg(long)]
    transfer: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// When a call was asked for, when it was answered, and how long its transfer took.
type Times = (Instant, Instant, Option<Duration>);

impl Dialled {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(self.live())
    }

    #[expect(clippy::disallowed_methods, reason = "it measures the real clock")]
    async fn live(self) -> anyhow::Result<()> {
        let callees = Callees::bind(self.transfer)?;
        let (told, heard) = mpsc::sync_channel(self.calls as usize * 2);
        let stop = Arc::new(AtomicBool::new(false));
        let api = Arc::new(Api { client: reqwest::Client::new(), server: self.server.clone() });
        let trunk = api.trunk(&callees.address().to_string()).await?;
        let serving = {
            let stop = stop.clone();
            std::thread::spawn(move || callees.serve(&told, &stop))
        };
        let begun = Instant::now();
        let done = self.call_all(&api, &trunk).await?;
        let elapsed = begun.elapsed();
        stop.store(true, Ordering::Relaxed);
        let left = serving.join().map_err(|_| anyhow::anyhow!("the callees' thread ended badly"))??;
        api.post("SIP", "DeleteSIPTrunk", json!({ "sip": { "admin": true } }), json!({ "sip_trunk_id": trunk }))
            .await?;
        let mut invited: HashMap<String, Instant> = HashMap::new();
        for Called { to, at } in heard.try_iter() {
            invited.entry(to).or_insert(at);
        }
        if left > 0 {
            eprintln!("{left} calls did not end");
        }
        let failed = (self.calls as usize - done.len()).max(left);
        let value = json!({
            "calls": self.calls, "failed": failed,
            "calls_per_second": done.len() as f64 / elapsed.as_secs_f64(),
            "request_to_invite_us": percentiles(done.iter().filter_map(|(to, (asked, ..))| {
                Some(invited.get(to)?.duration_since(*asked))
            })),
            "request_to_answer_us": percentiles(done.values().map(|(asked, answered, _)| answered.duration_since(*asked))),
            "transfer_us": percentiles(done.values().filter_map(|(_, _, transfer)| *transfer)),
        });
        print(&value, self.json);
        if failed > 0 {
            bail!("{failed} calls failed");
        }
        Ok(())
    }

    /// Asks for every call in its turn; those that came to their end.
    async fn call_all(&self, api: &Arc<Api>, trunk: &str) -> anyhow::Result<HashMap<String, Times>> {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut pace = interval(Duration::from_secs(1) / self.rate.max(1));
        let mut tasks = Vec::new();
        for number in 0..self.calls {
            pace.tick().await;
            let place = places.clone().acquire_owned().await?;
            let (api, trunk, transfer) = (api.clone(), trunk.to_owned(), self.transfer);
            tasks.push(tokio::spawn(async move {
                let to = format!("+1555{number:07}");
                let times = api.call(&trunk, &to, transfer).await;
                drop(place);
                (to, times)
            }));
        }
        let mut done = HashMap::new();
        for task in tasks {
            match task.await? {
                (to, Ok(times)) => drop(done.insert(to, times)),
                (to, Err(error)) => eprintln!("{to}: {error:#}"),
            }
        }
        Ok(done)
    }
}

/// The server's API over connections that stay open.
struct Api {
    client: reqwest::Client,
    server: Server,
}

impl Api {
    async fn post(&self, service: &str, method: &str, grants: Value, body: Value) -> anyhow::Result<Value> {
        let token = sign(&self.server.api_key, &self.server.api_secret, "sim", grants, 60)?;
        let url = format!("{}/twirp/livekit.{service}/{method}", self.server.url.trim_end_matches('/'));
        let request = self.client.post(url).bearer_auth(token).header("Content-Type", "application/json");
        let response = request.body(body.to_string()).send().await?;
        let (status, text) = (response.status(), response.text().await?);
        if !status.is_success() {
            bail!("{method}: {status}: {text}");
        }
        Ok(serde_json::from_str(&text)?)
    }

    /// A trunk to those who are called.
    async fn trunk(&self, address: &str) -> anyhow::Result<String> {
        let trunk = json!({
            "name": "dialled", "address": address, "transport": "SIP_TRANSPORT_UDP", "numbers": ["+15550001111"],
            "attributes_to_headers": { "five9.call_id": "X-CallID" },
        });
        let grants = json!({ "sip": { "admin": true } });
        let made = self.post("SIP", "CreateSIPOutboundTrunk", grants, json!({ "trunk": trunk })).await?;
        let id = made.get("sip_trunk_id").or(made.get("sipTrunkId")).and_then(Value::as_str);
        Ok(id.context("the trunk has no id")?.to_owned())
    }

    #[expect(clippy::disallowed_methods, reason = "it measures the real clock")]
    async fn call(&self, trunk: &str, to: &str, transfer: bool) -> anyhow::Result<Times> {
        let room = format!("dialled-{to}");
        let asked = Instant::now();
        let body = json!({
            "sip_trunk_id": trunk, "sip_call_to": to, "room_name": room, "wait_until_answered": true,
            "participant_attributes": { "five9.call_id": to },
        });
        self.post("SIP", "CreateSIPParticipant", json!({ "sip": { "call": true } }), body).await?;
        let answered = Instant::now();
        if !transfer {
            return Ok((asked, answered, None));
        }
        let grants = json!({ "sip": { "call": true }, "video": { "roomAdmin": true, "room": room } });
        let body = json!({
            "room_name": room, "participant_identity": format!("sip_{to}"), "transfer_to": "tel:+15559876543;x-a=b%3Ac",
        });
        self.post("SIP", "TransferSIPParticipant", grants, body).await?;
        Ok((asked, answered, Some(answered.elapsed())))
    }
}

fn percentiles(times: impl Iterator<Item = Duration>) -> Value {
    let mut all: Vec<u64> = times.map(|t| u64::try_from(t.as_micros()).unwrap_or(u64::MAX)).collect();
    all.sort_unstable();
    let of = |percent| LoadResult::percentile(&all, percent);
    json!({ "p50": of(50), "p95": of(95), "p99": of(99) })
}
