//! `trunkline sim callers`.

use super::sound::{Codec, Sound};
use crate::say::say;
use anyhow::bail;
use clap::Args;
use serde_json::{Value, json};
use std::{net::SocketAddr, path::PathBuf, time::Duration};
use trunkline_sim::callers::{self, Control, Ear, Numbers, Plan, Report, Spread};

/// What all callers are told, alone or in pairs.
#[derive(Args)]
pub(crate) struct Calling {
    /// The server's SIP address
    #[arg(long, default_value = "127.0.0.1:5060")]
    pub(crate) server: SocketAddr,
    /// The number called
    #[arg(long, default_value = "+15551234567")]
    pub(crate) to: String,
    /// So many calls
    #[arg(long, default_value_t = 1)]
    pub(crate) count: u32,
    /// Calls begun per second
    #[arg(long, default_value_t = 20.0)]
    pub(crate) rate: f64,
    /// All hang up after so many seconds
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u64,
    /// Each hangs up so many seconds after the answer, give or take half of it
    #[arg(long)]
    pub(crate) hold_seconds: Option<f64>,
    /// The codec
    #[arg(long, value_enum, default_value = "pcmu")]
    pub(crate) codec: Codec,
    #[command(flatten)]
    pub(crate) sound: Sound,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Calling {
    pub(crate) fn plan(&self, numbers: Numbers) -> anyhow::Result<Plan> {
        let codec = self.codec.into();
        Ok(Plan {
            numbers,
            rate: self.rate,
            calls: self.count,
            hold: self.hold_seconds.map(Duration::from_secs_f64),
            end: Some(Duration::from_secs(self.seconds)),
            scatter: self.count > 1,
            ..Plan::new(self.server, &self.to, codec, &self.sound.clip()?)
        })
    }
}

#[derive(Args)]
pub(crate) struct Callers {
    #[command(flatten)]
    calling: Calling,
    /// Each call goes to a number of its own: the number and five digits
    #[arg(long)]
    own_numbers: bool,
    /// Write what the first call heard to this WAV file
    #[arg(long)]
    record: Option<PathBuf>,
}

impl Callers {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let to = self.calling.to.clone();
        let numbers = if self.own_numbers { Numbers::Each(to) } else { Numbers::One(to) };
        let ear = if self.record.is_some() { Ear::Records } else { Ear::Counts };
        let plan = Plan { ear, ..self.calling.plan(numbers)? };
        let report = callers::run(&plan, Control::default())?;
        if let (Some(path), Some(clip)) = (&self.record, &report.heard) {
            clip.write(path)?;
        }
        print(&described(&report), self.calling.json);
        judged(&report)
    }
}

/// One line for programs, several for people.
pub(crate) fn print(value: &Value, json: bool) {
    if json { say!("{value}") } else { say!("{value:#}") }
}

pub(crate) fn judged(report: &Report) -> anyhow::Result<()> {
    match report.failed() {
        0 => Ok(()),
        failed => bail!("{failed} of {} calls failed", report.calls.len()),
    }
}

/// Milliseconds.
pub(crate) fn milliseconds(spread: &Spread) -> Value {
    let of = |percent| in_milliseconds(spread.percentile(percent));
    json!({ "n": spread.len(), "p50": of(50), "p95": of(95), "p99": of(99), "max": of(100) })
}

/// Milliseconds with two decimals.
pub(crate) fn in_milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e5).round() / 100.0
}

/// What callers saw.
pub(crate) fn described(report: &Report) -> Value {
    let refused: Vec<_> = report.calls.iter().filter(|c| !c.well).map(|c| c.status).collect();
    let answered = report.spread(|c| c.to_200).len() as f64;
    json!({
        "calls": report.calls.len(),
        "failed": report.failed(),
        "failed_with": refused.iter().take(10).collect::<Vec<_>>(),
        "hung_up_on": report.calls.iter().filter(|c| c.hung_up_on).count(),
        "peak_open": report.peak_open,
        "answers_per_second": answered / report.until_last_answer.as_secs_f64().max(1e-9),
        "invite_to_180_ms": milliseconds(&report.spread(|c| c.to_180)),
        "invite_to_200_ms": milliseconds(&report.spread(|c| c.to_200)),
        "first_packet_ms": milliseconds(&report.spread(|c| c.first_packet)),
        "first_sound_ms": milliseconds(&report.spread(|c| c.first_sound)),
        "sent": report.sum(|c| c.sent),
        "sent_late": report.sum(|c| c.sent_late),
        "latest_ms": in_milliseconds(report.spread(|c| Some(c.latest)).percentile(100)),
        "received": report.sum(|c| c.received),
        "lost": report.sum(|c| c.lost),
        "disordered": report.sum(|c| c.disordered),
        "silent_calls": report.calls.iter().filter(|c| c.well && c.received == 0).count(),
        "jitter_ms": milliseconds(&report.spread(|c| Some(c.jitter))),
        "longest_gap_ms": milliseconds(&report.spread(|c| Some(c.longest_gap))),
    })
}
