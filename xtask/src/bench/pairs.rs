//! Pairs of a caller and a headless participant on a server: `trunkline sim bridge`.

use super::{Resident, Server, Usage, figures::number, stages::Strain};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

/// What is said before the number in the names of rooms.
const PREFIX: &str = "bridge";
/// What is dialled unless lots must be told apart.
pub const DIGITS: &str = "+1555";
/// What a load maker prints when it begins.
const READY: &str = "ready";
/// From the last call's beginning to the first measurement, in seconds.
const SETTLE: f64 = 3.0;

/// What the pairs do.
#[derive(Clone, Debug)]
pub struct Pairs {
    /// So many.
    pub count: u32,
    /// Begun per second.
    pub rate: f64,
    /// How long everything is measured once all are there, in seconds.
    pub interval: f64,
    /// The number of the first room; its digits tell the rooms of two lots apart.
    pub digits: &'static str,
    /// What they say.
    pub speech: String,
    /// How much of the time each side speaks.
    pub talk_percent: u32,
    /// Further arguments.
    pub more: Vec<String>,
}

/// What came of it.
pub struct Steady {
    /// The report of `trunkline sim bridge`.
    pub report: Value,
    /// Shares of one core: the media thread, the whole server, the load maker.
    pub media: f64,
    /// See `media`.
    pub server: f64,
    /// See `media`.
    pub load: f64,
    /// Before the first call, and while all were there.
    pub before: Resident,
    /// See `before`.
    pub during: Resident,
    /// The share of their packets that the callers could send in time; well under 1 means that the
    /// load maker did not get the CPU it needed, and that the figures are too good.
    pub said: f64,
    /// What came of it, meanwhile, that the server had too much to do.
    pub strain: Strain,
    /// And before, while one call after the other began.
    pub strain_before: Strain,
}

impl Steady {
    /// Whether all went well, and all that was said was carried.
    pub fn is_good(&self) -> bool {
        is_good(&self.report) && self.is_lossless()
    }

    /// Whether all that was said was carried, from the first call on.
    pub fn is_lossless(&self) -> bool {
        self.strain_before.is_lossless() && self.strain.is_lossless()
    }
}

/// A server with a trunk and a rule that gives each number a room of its own.
///
/// # Errors
/// If it does not start.
pub fn start(folder: &Path, more: &Value) -> Result<Server> {
    let server = Server::start(folder, more)?;
    let trunk = json!({ "name": "bench", "allowed_addresses": ["127.0.0.1"] });
    let rule = json!({ "name": "bench", "rule": { "dispatch_rule_callee": { "room_prefix": PREFIX } } });
    server.provision(trunk, rule)?;
    Ok(server)
}

impl Pairs {
    /// The time all are begun in, in seconds.
    fn ramp(&self) -> f64 {
        f64::from(self.count) / self.rate
    }

    /// The command that makes them, for so many seconds.
    pub fn command(&self, server: &Server, seconds: u64) -> Command {
        let words = [
            "sim",
            "bridge",
            "--json",
            "--server",
            server.address("sip_udp"),
            "--to",
            self.digits,
            "--room-prefix",
            &format!("{PREFIX}_"),
            "--count",
            &self.count.to_string(),
            "--rate",
            &self.rate.to_string(),
            "--seconds",
            &seconds.to_string(),
            "--talk-percent",
            &self.talk_percent.to_string(),
            "--speech",
            &self.speech,
        ]
        .map(str::to_owned);
        let all: Vec<_> = words.iter().chain(&self.more).map(String::as_str).collect();
        server.client(&all)
    }

    /// Runs them on a server that has seen no other and measures while all are there.
    ///
    /// # Errors
    /// If the server or the load maker ends too early.
    pub fn steady(&self, server: &Server) -> Result<Steady> {
        let before = server.resident()?;
        let seconds = (self.ramp() + SETTLE + self.interval + 1.0).ceil() as u64;
        let mut child = self.command(server, seconds).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
        let load_pid = child.id();
        let mut printed = BufReader::new(child.stdout.take().context("no output")?);
        let is_ready = printed.by_ref().lines().map_while(Result::ok).any(|line| line == READY);
        if !is_ready {
            bail!("the load maker did not begin");
        }
        std::thread::sleep(Duration::from_secs_f64(self.ramp() + SETTLE));
        let strain_before = Strain::by(server)?;
        let (begin, load_begin) = (Usage::of(server.pid())?, Usage::of(load_pid)?);
        std::thread::sleep(Duration::from_secs_f64(self.interval));
        let (end, load_end) = (Usage::of(server.pid())?, Usage::of(load_pid)?);
        let strain = Strain::by(server)?.since(strain_before);
        let during = server.resident()?;
        let mut rest = Vec::new();
        printed.read_to_end(&mut rest)?;
        child.wait()?;
        let report = report(&rest)?;
        let (media, whole) = end.since(&begin, "media-");
        let load = load_end.since(&load_begin, "").1;
        let open: f64 = (0..self.count).map(|n| seconds as f64 - f64::from(n) / self.rate).sum();
        let said = number(&report, "callers.sent") / (open * 50.0);
        Ok(Steady { report, media, server: whole, load, before, during, said, strain, strain_before })
    }

    /// Runs them for so many seconds and returns the report.
    ///
    /// # Errors
    /// If the load maker ends without one.
    pub fn run(&self, server: &Server, seconds: u64) -> Result<Value> {
        let output = self.command(server, seconds).stderr(Stdio::inherit()).output()?;
        report(&output.stdout)
    }
}

/// The line of JSON in what a load maker printed. Failed calls make it a failure of the command, but
/// the report is there and says how many.
pub fn report(printed: &[u8]) -> Result<Value> {
    let text = String::from_utf8_lossy(printed);
    let line = text.lines().find(|line| line.starts_with('{')).context("trunkline sim gave no report")?;
    Ok(serde_json::from_str(line)?)
}

/// Whether all calls and participants of a report went well.
pub fn is_good(report: &Value) -> bool {
    let failures = report["participants"]["failures"].as_array().map_or(1, Vec::len);
    number(report, "callers.failed") == 0.0 && failures == 0 && number(report, "callers.calls") > 0.0
}
