//! `cargo xtask bench agents`: what dispatching costs, from the request for a room until a worker is
//! asked for its agent.

use super::{Server, build, conditions::machine, figures::number, in_folder};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::{path::Path, process::Stdio};

/// Milliseconds from the room to the question, p95.
const AIM: f64 = 10.0;
/// Workers, rooms, rooms per second; 0 for as fast as it goes.
const RUNS: &[(u32, u32, u32)] = &[(20, 500, 100), (200, 2_000, 100), (20, 200, 0), (20, 2_000, 0), (200, 2_000, 0)];

/// Builds, runs and prints.
///
/// # Errors
/// If the binary cannot be built or started, or answers something unexpected.
pub fn agents() -> Result<bool> {
    if !build()? {
        return Ok(false);
    }
    in_folder(|folder| measure(&folder))
}

fn measure(folder: &Path) -> Result<bool> {
    println!("conditions: {}", machine());
    println!("  workers take every job and run none; each room is made by CreateRoom over HTTP, which is included");
    println!(
        "{:>8} {:>7} {:>8} {:>8} {:>8}  {:^28}  {:^28}",
        "workers",
        "rooms",
        "asked/s",
        "done/s",
        "missing",
        "→ availability p50/p95/p99 ms",
        "→ assignment p50/p95/p99 ms"
    );
    let mut good = true;
    for &(workers, rooms, rate) in RUNS {
        let server = Server::start(&folder.join(format!("{workers}-{rooms}-{rate}")), &json!({}))?;
        let report = run(&server, workers, rooms, rate)?;
        println!("{}", row(workers, rooms, rate, &report));
        good &= number(&report, "missing") == 0.0;
        good &= rate == 0 || number(&report["room_to_availability_us"], "p95") / 1_000.0 <= AIM;
    }
    Ok(good)
}

fn run(server: &Server, workers: u32, rooms: u32, rate: u32) -> Result<Value> {
    let [workers, rooms, rate] = [workers, rooms, rate].map(|count| count.to_string());
    let words = ["sim", "agents", "--workers", &workers, "--rooms", &rooms, "--rate", &rate, "--json"];
    let output = server.client(&words).stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8(output.stdout)?;
    let line = text.lines().find(|line| line.starts_with('{')).context("trunkline sim agents gave no report")?;
    Ok(serde_json::from_str(line)?)
}

/// One line of the table.
fn row(workers: u32, rooms: u32, rate: u32, report: &Value) -> String {
    let percentiles = |name: &str| {
        let text = ["p50", "p95", "p99"].map(|p| format!("{:.2}", number(&report[name], p) / 1_000.0));
        text.join(" / ")
    };
    let asked = if rate == 0 { "all".to_owned() } else { rate.to_string() };
    format!(
        "{workers:>8} {rooms:>7} {asked:>8} {:>8.0} {:>8}  {:^28}  {:^28}",
        number(report, "jobs_per_second"),
        number(report, "missing"),
        percentiles("room_to_availability_us"),
        percentiles("room_to_assignment_us"),
    )
}
