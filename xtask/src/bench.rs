//! `cargo xtask bench signalling`: the release binary under load, on loopback.

use crate::process::{capture, command, find, root, step};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

const NUMBER: &str = "+15551234567";
const KEY: &str = "bench";
const SECRET: &str = "a-secret-for-a-bench-on-loopback-only";
/// Calls per second; the first is as good as no load.
const RATES: &[u32] = &[10, 100, 500, 1_000, 1_500, 2_000];
const SECONDS_PER_RATE: u32 = 10;
const HELD: u32 = 5_000;

/// Builds, runs and prints.
///
/// # Errors
/// If the binary cannot be built or started, or answers something unexpected.
pub fn signalling() -> Result<bool> {
    if !step("build --release", &mut command("cargo", ["build", "--release", "--package", "trunkline-cli"]))? {
        return Ok(false);
    }
    let folder = root().join(format!("target/bench/{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let result = measure(&folder);
    fs::remove_dir_all(&folder)?;
    result
}

fn measure(folder: &Path) -> Result<bool> {
    let server = Server::start(folder)?;
    server.provision(folder)?;
    conditions(&server);
    println!(
        "{:>8} {:>8} {:>7} {:>8}  {:^26}  {:^26}",
        "asked/s", "done/s", "calls", "failed", "INVITE→180 p50/p95/p99 ms", "INVITE→200 p50/p95/p99 ms"
    );
    let mut best = 0.0_f64;
    let mut good = true;
    for &rate in RATES {
        let report = server.load(rate, rate * SECONDS_PER_RATE, 0)?;
        println!("{}", row(rate, &report));
        let failed = number(&report, "failed");
        if failed == 0.0 {
            best = best.max(number(&report, "calls_per_second"));
        }
        good &= rate > 1_000 || failed == 0.0;
    }
    println!("calls/s with no failure: {best:.0}");
    drop(server);
    // A server that has seen no load: what it holds is what the open dialogs cost.
    let server = Server::start(&folder.join("fresh"))?;
    server.provision(folder)?;
    good &= server.memory()?;
    Ok(good)
}

/// One line of the table.
fn row(rate: u32, report: &Value) -> String {
    let percentiles = |name: &str| {
        let times = &report[name];
        let text = ["p50", "p95", "p99"].map(|p| format!("{:.2}", number(times, p) / 1_000.0));
        text.join(" / ")
    };
    format!(
        "{rate:>8} {:>8.0} {:>7} {:>8}  {:^26}  {:^26}",
        number(report, "calls_per_second"),
        number(report, "calls"),
        number(report, "failed"),
        percentiles("invite_to_180_us"),
        percentiles("invite_to_200_us"),
    )
}

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or(f64::NAN)
}

/// Under which conditions the figures hold.
fn conditions(server: &Server) {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, m)| m.trim()));
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    println!("conditions: {} ({cores} cores), Linux {}", model.unwrap_or("unknown processor"), kernel.trim());
    println!("  server {}; load generator on the other cores", server.pinned);
    println!("  UDP on loopback, no RTP, answer_policy immediate, SQLite store in {}", server.store.display());
    println!("  every call: INVITE, 180, 200, ACK, BYE, 200; {SECONDS_PER_RATE} s per rate");
}

struct Server {
    child: Child,
    addresses: Value,
    store: PathBuf,
    pinned: &'static str,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn binary() -> PathBuf {
    root().join("target/release/trunkline")
}

/// The command, kept to the given cores if that can be had.
fn on_cores(cores: &str, words: &[&str]) -> Command {
    let binary = binary();
    if find("taskset").is_some() && std::thread::available_parallelism().is_ok_and(|n| n.get() > 1) {
        let mut pinned = command("taskset", ["-c", cores]);
        pinned.arg(binary).args(words);
        pinned
    } else {
        command(&binary.to_string_lossy(), words)
    }
}

impl Server {
    fn start(folder: &Path) -> Result<Self> {
        let store = folder.join("data");
        let config = json!({
            "port": 0, "bind_addresses": ["127.0.0.1"], "sip_port": 0, "listen_ip": "127.0.0.1",
            "rtp_port": "20000-60000", "rtc": { "udp_port": 0 }, "keys": { KEY: SECRET }, "answer_policy": "immediate",
            "data_dir": store, "media_timeout_initial": "300s",
        })
        .to_string();
        fs::create_dir_all(folder)?;
        let log = fs::File::create(folder.join("trunkline.log"))?;
        let mut run = on_cores("0", &["run", "--config-body", &config, "--print-addresses"]);
        let pinned = if run.get_program() == "taskset" { "pinned to one core" } else { "not pinned to a core" };
        let mut child = run.env("RUST_LOG", "warn").stdout(Stdio::piped()).stderr(log).spawn()?;
        let out = child.stdout.take().context("no output")?;
        let line = BufReader::new(out).lines().map_while(Result::ok).find(|line| line.starts_with('{'));
        let mut server = Self { child, addresses: Value::Null, store, pinned };
        let line = line.with_context(|| {
            format!(
                "trunkline run gave no addresses: {}",
                fs::read_to_string(folder.join("trunkline.log")).unwrap_or_default()
            )
        })?;
        server.addresses = serde_json::from_str(&line)?;
        Ok(server)
    }

    fn address(&self, name: &str) -> &str {
        self.addresses[name].as_str().unwrap_or_default()
    }

    /// A command of ours that talks to the server.
    fn client(&self, words: &[&str]) -> Command {
        let mut client = on_cores("1-1023", words);
        client
            .env("LIVEKIT_URL", format!("http://{}", self.address("http")))
            .env("LIVEKIT_API_KEY", KEY)
            .env("LIVEKIT_API_SECRET", SECRET);
        client
    }

    /// The trunk and the rule that every call takes.
    fn provision(&self, folder: &Path) -> Result<()> {
        let records = [
            (
                "trunk",
                json!({ "trunk": {
                    "name": "bench", "numbers": [NUMBER],
                    "headers_to_attributes": { "X-CallID": "five9.call_id" },
                    "attributes_to_headers": { "five9.call_id": "X-CallID" },
                }}),
            ),
            (
                "rule",
                json!({ "dispatch_rule": {
                    "name": "bench", "rule": { "dispatch_rule_individual": { "room_prefix": "call" } },
                }}),
            ),
        ];
        for (kind, record) in records {
            let file = folder.join(format!("{kind}.json"));
            fs::write(&file, record.to_string())?;
            capture(&mut self.client(&[kind, "create", &file.to_string_lossy()]))?;
        }
        Ok(())
    }

    fn load_command(&self, rate: u32, calls: u32, hold_seconds: u32) -> Command {
        let (rate, calls, hold) = (rate.to_string(), calls.to_string(), hold_seconds.to_string());
        let target = self.address("sip_udp");
        self.client(&[
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
    fn load(&self, rate: u32, calls: u32, hold_seconds: u32) -> Result<Value> {
        let output = self.load_command(rate, calls, hold_seconds).stderr(Stdio::inherit()).output()?;
        // Failed calls make it a failure, and the report says how many.
        let text = String::from_utf8(output.stdout)?;
        let line = text.lines().find(|line| line.starts_with('{')).context("trunkline sim load gave no report")?;
        Ok(serde_json::from_str(line)?)
    }

    /// Resident memory that an open dialog costs.
    fn memory(&self) -> Result<bool> {
        let before = self.resident()?;
        let mut calls = self.load_command(500, HELD, 20).stdout(Stdio::piped()).spawn()?;
        let mut peak = before;
        while calls.try_wait()?.is_none() {
            peak = peak.max(self.resident()?);
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

    /// Resident bytes of the server.
    fn resident(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        resident(&status).context("no VmRSS: is this Linux?")
    }
}

fn resident(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib = value.trim().strip_suffix("kB")?;
    kib.trim().parse::<u64>().ok().map(|kib| kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_resident_memory() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2 << 20));
        assert_eq!(resident("Name:\tx\n"), None);
    }

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
