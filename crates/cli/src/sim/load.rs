//! `trunkline sim load`.

use crate::say::say;
use anyhow::bail;
use clap::Args;
use serde_json::json;
use std::{net::SocketAddr, time::Duration};
use trunkline_sim::load::{self, LoadResult};

#[derive(Args)]
pub(crate) struct Load {
    /// The server's SIP address
    #[arg(long, default_value = "127.0.0.1:5060")]
    target: SocketAddr,
    /// The number called
    #[arg(long, default_value = "+15551234567")]
    to: String,
    /// Calls begun per second
    #[arg(long, default_value_t = 100)]
    rate: u32,
    /// Calls in all
    #[arg(long, default_value_t = 1000)]
    calls: u32,
    /// Seconds from the answer to the BYE
    #[arg(long, default_value_t = 0)]
    hold_seconds: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Load {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let Self { target, to, rate, calls, hold_seconds, json } = self;
        let hold = Duration::from_secs(hold_seconds);
        report(&load::run(&load::Load { server: target, to, rate, calls, hold })?, json)
    }
}

fn report(result: &LoadResult, as_json: bool) -> anyhow::Result<()> {
    let percentiles = |times: &[u64]| {
        let of = |percent| LoadResult::percentile(times, percent);
        json!({ "p50": of(50), "p95": of(95), "p99": of(99) })
    };
    let per_second = f64::from(result.done) / result.elapsed.as_secs_f64();
    let value = json!({
        "calls": result.done + result.failed,
        "failed": result.failed,
        "calls_per_second": per_second,
        "peak_open": result.peak_open,
        "invite_to_180_us": percentiles(&result.to_180),
        "invite_to_200_us": percentiles(&result.to_200),
    });
    if as_json {
        say!("{value}")
    } else {
        say!("{value:#}")
    }
    if result.failed > 0 {
        bail!("{} calls failed", result.failed);
    }
    Ok(())
}
