//! `cargo xtask bench signalling`: calls without media.

use super::{Server, build, conditions::machine, figures::number, in_folder};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

const NUMBER: &str = "+15551234567";
/// Calls per second; the first is as good as no load.
const RATES: &[u32] = &[10, 100, 500, 1_000, 1_500, 2_000];
const SECONDS_PER_RATE: u32 = 10;
const HELD: u32 = 5_000;

/// Builds, runs and prints.
///
/// # Errors
/// If the binary cannot be built or started, or answers something unexpected.
pub fn signalling() -> Result<bool> {
    if !build()? {
        return Ok(false);
    }
    in_folder(|folder| measure(&folder))
}

fn measure(folder: &Path) -> Result<bool> {
    let server = start(folder)?;
    println!("conditions: {}", machine());
    println!("  server {}; load generator on the other cores", server.pinned);
    println!("  UDP on loopback, no RTP, answer_policy immediate, SQLite store in {}", folder.display());
    println!("  every call: INVITE, 180, 200, ACK, BYE, 200; {SECONDS_PER_RATE} s per rate");
    println!(
        "{:>8} {:>8} {:>7} {:>8}  {:^26}  {:^26}",
        "asked/s", "done/s", "calls", "failed", "INVITE→180 p50/p95/p99 ms", "INVITE→200 p50/p95/p99 ms"
    );
    let mut best = 0.0_f64;
    let mut good = true;
    for &rate in RATES {
        let report = load(&server, rate, rate * SECONDS_PER_RATE, 0)?;
        println!("{}", row(rate, &report));
        let failed = number(&report, "failed");
        if failed == 0.0 {
            best = best.max(number(&report, "calls_per_second"));
        }
        good &= rate > 1_000 || failed == 0.0;
    }
    println!("calls/s with no failure: {best:.0}");
    drop(server);
    good &= calling_out(&start(&folder.join("out"))?)?;
    // A server that has seen no load: what it holds is what the open dialogs cost.
    good &= memory(&start(&folder.join("fresh"))?)?;
    Ok(good)
}

/// Calls that the server is asked to make, and calls that it is asked to transfer.
fn calling_out(server: &Server) -> Result<bool> {
    println!(
        "calls out: CreateSIPParticipant over HTTP, INVITE, 180, 200, ACK, BYE of the far end, 200; from the request on"
    );
    println!("  with REFER: TransferSIPParticipant after the answer, REFER, 202, NOTIFY, 200, BYE, 200");
    println!(
        "{:>8} {:>8} {:>7} {:>8}  {:^26}  {:^26}  {:^26}",
        "asked/s",
        "done/s",
        "calls",
        "failed",
        "→ INVITE p50/p95/p99 ms",
        "→ answer p50/p95/p99 ms",
        "transfer p50/p95/p99 ms"
    );
    let mut good = true;
    for (rate, transfer) in
        [(10, false), (100, false), (500, false), (1_000, false), (10, true), (100, true), (300, true)]
    {
        let (asked, calls) = (rate.to_string(), (rate * SECONDS_PER_RATE).to_string());
        let mut words = vec!["sim", "dialled", "--rate", &asked, "--calls", &calls, "--json"];
        words.extend(transfer.then_some("--transfer"));
        let output = server.client(&words).stderr(Stdio::inherit()).output()?;
        let text = String::from_utf8(output.stdout)?;
        let line = text.lines().find(|line| line.starts_with('{')).context("trunkline sim dialled gave no report")?;
        let report: Value = serde_json::from_str(line)?;
        let transferred = if transfer { times(&report, "transfer_us") } else { String::new() };
        println!(
            "{rate:>8} {:>8.0} {:>7} {:>8}  {:^26}  {:^26}  {transferred:^26}",
            number(&report, "calls_per_second"),
            number(&report, "calls"),
            number(&report, "failed"),
            times(&report, "request_to_invite_us"),
            times(&report, "request_to_answer_us"),
        );
        good &= number(&report, "failed") == 0.0;
    }
    Ok(good)
}

/// Percentiles in milliseconds.
fn times(report: &Value, name: &str) -> String {
    ["p50", "p95", "p99"].map(|p| format!("{:.2}", number(&report[name], p) / 1_000.0)).join(" / ")
}

/// One line of the table.
fn row(rate: u32, report: &Value) -> String {
    format!(
        "{rate:>8} {:>8.0} {:>7} {:>8}  {:^26}  {:^26}",
        number(report, "calls_per_second"),
        number(report, "calls"),
        number(report, "failed"),
        times(report, "invite_to_180_us"),
        times(report, "invite_to_200_us"),
    )
}

/// A server with the trunk and the rule that every call takes.
fn start(folder: &Path) -> Result<Server> {
    let server = Server::start(folder, &json!({}))?;
    let trunk = json!({
        "name": "bench", "numbers": [NUMBER],
        "headers_to_attributes": { "X-CallID": "five9.call_id" },
        "attributes_to_headers": { "five9.call_id": "X-CallID" },
    });
    let rule = json!({ "name": "bench", "rule": { "dispatch_rule_individual": { "room_prefix": "call" } } });
    server.provision(trunk, rule)?;
    Ok(server)
}

fn load_command(server: &Server, rate: u32, calls: u32, hold_seconds: u32) -> Command {
    let (rate, calls, hold) = (rate.to_string(), calls.to_string(), hold_seconds.to_string());
    let target = server.address("sip_udp");
    server.client(&[
        "sim",
        "load",
        "--target",
        target,
        "--to",
        NUMBER,
        "--rate",
        &rate,
        "--calls",
        &calls,
        "--hold-seconds",
        &hold,
        "--json",
    ])
}

/// Places calls and returns the generator's report.
fn load(server: &Server, rate: u32, calls: u32, hold_seconds: u32) -> Result<Value> {
    let output = load_command(server, rate, calls, hold_seconds).stderr(Stdio::inherit()).output()?;
    // Failed calls make it a failure, and the report says how many.
    let text = String::from_utf8(output.stdout)?;
    let line = text.lines().find(|line| line.starts_with('{')).context("trunkline sim load gave no report")?;
    Ok(serde_json::from_str(line)?)
}

/// Resident memory that an open dialog costs.
fn memory(server: &Server) -> Result<bool> {
    let before = server.resident()?.bytes;
    let mut calls = load_command(server, 500, HELD, 20).stdout(Stdio::piped()).spawn()?;
    let mut peak = before;
    while calls.try_wait()?.is_none() {
        peak = peak.max(server.resident()?.bytes);
        std::thread::sleep(Duration::from_millis(100));
    }
    let output = calls.wait_with_output()?;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let open = report["peak_open"].as_u64().filter(|open| *open > 0).unwrap_or(u64::from(HELD));
    let each = peak.saturating_sub(before) / open;
    println!(
        "memory: {} MiB before, {} MiB with {open} dialogs open: {:.1} KiB each ({} failed)",
        before >> 20,
        peak >> 20,
        each as f64 / 1_024.0,
        number(&report, "failed")
    );
    Ok(number(&report, "failed") == 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_microseconds_as_milliseconds() {
        let report = json!({
            "calls": 100, "failed": 0, "calls_per_second": 99.6,
            "invite_to_180_us": { "p50": 400, "p95": 1_250, "p99": 2_000 },
            "invite_to_200_us": { "p50": 900, "p95": 3_000, "p99": 4_500 },
        });
        let row = row(100, &report);
        assert!(row.contains("0.40 / 1.25 / 2.00"), "{row}");
        assert!(row.contains("0.90 / 3.00 / 4.50"), "{row}");
    }
}
