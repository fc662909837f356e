//! `trunkline sim agents`.

use super::{callers::print, room::web_socket};
use crate::{client::Server, sign::sign};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{Semaphore, mpsc},
    time::{interval, timeout},
};
use trunkline_sim::{
    agents::{Told, Worker},
    load::LoadResult,
};

/// Rooms that are being made at the same time.
const AT_ONCE: usize = 32;
/// What workers were told and nobody has looked at.
const QUEUE: usize = 8_192;
/// For a job that does not come.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Args)]
pub(crate) struct Agents {
    #[command(flatten)]
    server: Server,
    /// Workers that take every job and run none
    #[arg(long, default_value_t = 200)]
    workers: u32,
    /// Rooms made, each of which calls for an agent
    #[arg(long, default_value_t = 2_000)]
    rooms: u32,
    /// Rooms made per second; 0 for as fast as it goes
    #[arg(long, default_value_t = 0)]
    rate: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Agents {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(self.live())
    }

    #[expect(clippy::disallowed_methods, reason = "it measures the real clock")]
    async fn live(self) -> anyhow::Result<()> {
        let (told, mut heard) = mpsc::channel(QUEUE);
        let grants = json!({ "video": { "agent": true } });
        let token = sign(&self.server.api_key, &self.server.api_secret, "sim", grants, 3_600)?;
        for _ in 0..self.workers {
            let worker = Worker::register(&web_socket(&self.server.url), &token).await?;
            tokio::spawn(worker.work(told.clone()));
        }
        let begun = Instant::now();
        let prefix = format!("agents-{}-", std::process::id());
        let made = tokio::spawn(make(self.server.clone(), prefix.clone(), self.rooms, self.rate));
        let (mut offers, mut assignments) = (HashMap::new(), HashMap::new());
        while assignments.len() < self.rooms as usize {
            let Ok(Some(Told { room, assigned, at })) = timeout(PATIENCE, heard.recv()).await else { break };
            if room.starts_with(&prefix) {
                let held = if assigned { &mut assignments } else { &mut offers };
                held.entry(room).or_insert(at);
            }
        }
        let elapsed = begun.elapsed();
        let asked = made.await??;
        let since = |times: &HashMap<String, Instant>| {
            let mut all: Vec<u64> = times
                .iter()
                .filter_map(|(room, at)| u64::try_from(at.duration_since(*asked.get(room)?).as_micros()).ok())
                .collect();
            all.sort_unstable();
            let of = |percent| LoadResult::percentile(&all, percent);
            json!({ "p50": of(50), "p95": of(95), "p99": of(99) })
        };
        let missing = self.rooms as usize - assignments.len();
        let value = json!({
            "workers": self.workers, "jobs": assignments.len(), "missing": missing,
            "jobs_per_second": assignments.len() as f64 / elapsed.as_secs_f64(),
            "room_to_availability_us": since(&offers), "room_to_assignment_us": since(&assignments),
        });
        clean_up(&self.server, &prefix, self.rooms).await?;
        print(&value, self.json);
        if missing > 0 {
            bail!("{missing} rooms got no agent");
        }
        Ok(())
    }
}

/// One connection for all requests, unlike that of the other commands.
fn client() -> reqwest::Client {
    reqwest::Client::new()
}

async fn post(client: &reqwest::Client, server: &Server, method: &str, body: Value) -> anyhow::Result<()> {
    let grants = json!({ "video": { "roomCreate": true } });
    let token = sign(&server.api_key, &server.api_secret, "sim", grants, 60)?;
    let url = format!("{}/twirp/livekit.RoomService/{method}", server.url.trim_end_matches('/'));
    let request = client.post(url).bearer_auth(token).header("Content-Type", "application/json");
    request.body(body.to_string()).send().await?.error_for_status().context("the server refused")?;
    Ok(())
}

/// Makes the rooms; when each was asked for.
#[expect(clippy::disallowed_methods, reason = "it measures the real clock")]
async fn make(server: Server, prefix: String, rooms: u32, rate: u32) -> anyhow::Result<HashMap<String, Instant>> {
    let (client, places) = (client(), Arc::new(Semaphore::new(AT_ONCE)));
    let mut pace = interval(Duration::from_secs(1) / rate.max(1));
    let (mut asked, mut tasks) = (HashMap::new(), Vec::new());
    for number in 0..rooms {
        if rate > 0 {
            pace.tick().await;
        }
        let place = places.clone().acquire_owned().await?;
        let (client, server, name) = (client.clone(), server.clone(), format!("{prefix}{number}"));
        asked.insert(name.clone(), Instant::now());
        tasks.push(tokio::spawn(async move {
            let made = post(&client, &server, "CreateRoom", json!({ "name": name, "empty_timeout": 600 })).await;
            drop(place);
            made
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(asked)
}

async fn clean_up(server: &Server, prefix: &str, rooms: u32) -> anyhow::Result<()> {
    let client = client();
    for number in 0..rooms {
        post(&client, server, "DeleteRoom", json!({ "room": format!("{prefix}{number}") })).await?;
    }
    Ok(())
}
