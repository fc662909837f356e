//! `trunkline sim`: far ends over real sockets.

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::json;
use std::{net::SocketAddr, time::Duration};
use trunkline_sim::{
    load::{self, Load, LoadResult},
    persona::Five9,
};

#[derive(Args)]
pub(crate) struct Sim {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A Five9 IVR: calls with the seven X-Call headers and waits for the BYE
    Five9 {
        /// The server's SIP address
        #[arg(long, default_value = "127.0.0.1:5060")]
        server: SocketAddr,
        /// The caller
        #[arg(long, default_value = "+15550100001")]
        from: String,
        /// The number called
        #[arg(long, default_value = "+15551234567")]
        to: String,
        /// Hang up after this many seconds instead of waiting
        #[arg(long)]
        hang_up_after: Option<u64>,
    },
    /// Many signalling-only calls
    Load {
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
    },
}

impl Sim {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let (server, from, to, hang_up_after) = match self.command {
            Command::Five9 { server, from, to, hang_up_after } => (server, from, to, hang_up_after),
            Command::Load { target, to, rate, calls, hold_seconds, json } => {
                let hold = Duration::from_secs(hold_seconds);
                return report(&load::run(&Load { server: target, to, rate, calls, hold })?, json);
            }
        };
        let persona = Five9 { from, to, hang_up_after: hang_up_after.map(Duration::from_secs), ..Five9::new(server) };
        let result = trunkline_sim::persona::call(&persona)?;
        for step in &result.ladder {
            let arrow = if step.sent { "->" } else { "<-" };
            println!("{:>9.1} ms {arrow} {}", step.at.as_secs_f64() * 1000.0, step.start_line);
        }
        println!("heard {} RTP packets, peak {}", result.rtp_packets, result.peak);
        if let Some(bye) = &result.bye {
            println!("\n{bye}");
        }
        Ok(())
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
        println!("{value}")
    } else {
        println!("{value:#}")
    }
    if result.failed > 0 {
        bail!("{} calls failed", result.failed);
    }
    Ok(())
}
