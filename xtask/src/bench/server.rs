//! A server of the release binary for one measurement, and the commands that talk to it.

use super::cpu::{Resident, resident};
use crate::process::{capture, command, find, root};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

const KEY: &str = "bench";
const SECRET: &str = "a-secret-for-a-bench-on-loopback-only";
/// For the server, as taskset writes it, and for everything else.
const SERVER_CORE: &str = "0";
const OTHER_CORES: &str = "1-1023";
/// Lets a program open as many files as it may: a thousand calls and their participants need them.
/// Other programs get the CPU after it, where that is allowed.
const PREPARED: &str = "ulimit -n \"$(ulimit -Hn)\"; renice -n -15 -p $$ >/dev/null 2>&1; exec \"$0\" \"$@\"";

/// See the module. It is ended when dropped.
pub struct Server {
    child: Child,
    addresses: Value,
    folder: PathBuf,
    /// How it is kept to its core, for people.
    pub pinned: &'static str,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The release binary, or another one that is named, to compare two of them.
pub fn binary() -> PathBuf {
    std::env::var_os("TRUNKLINE_BINARY").map_or_else(|| root().join("target/release/trunkline"), PathBuf::from)
}

/// The command, kept to the given cores if that can be had, with room for many sockets.
fn on_cores(cores: &str, words: &[&str]) -> Command {
    let binary = binary().to_string_lossy().into_owned();
    let mut line = vec!["-c".to_owned(), PREPARED.to_owned()];
    if is_pinned() {
        line.extend(["taskset".to_owned(), "-c".to_owned(), cores.to_owned()]);
    }
    line.push(binary);
    line.extend(words.iter().map(|word| (*word).to_owned()));
    command("sh", line)
}

/// A command on the core that a server would have, when none runs.
pub fn on_its_core(words: &[&str]) -> Command {
    on_cores(SERVER_CORE, words)
}

fn is_pinned() -> bool {
    find("taskset").is_some() && std::thread::available_parallelism().is_ok_and(|n| n.get() > 1)
}

impl Server {
    /// Starts one with a configuration for benches, over which `more` is laid.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(folder: &Path, more: &Value) -> Result<Self> {
        let store = folder.join("data");
        let mut config = json!({
            "port": 0, "bind_addresses": ["127.0.0.1"], "sip_port": 0, "listen_ip": "127.0.0.1",
            "rtp_port": "20000-60000", "rtc": { "udp_port": 0, "tcp_port": 0 }, "keys": { KEY: SECRET }, "answer_policy": "immediate",
            "data_dir": store, "media_timeout_initial": "300s",
            // A bench is told by the figures that a core is full, not by refusals.
            "max_cpu_utilization": 1.0,
        });
        if let (Some(config), Some(more)) = (config.as_object_mut(), more.as_object()) {
            config.extend(more.clone());
        }
        fs::create_dir_all(folder)?;
        let log = fs::File::create(folder.join("trunkline.log"))?;
        let mut run = on_cores(SERVER_CORE, &["run", "--config-body", &config.to_string(), "--print-addresses"]);
        let pinned = if is_pinned() { "pinned to one core" } else { "not pinned to a core" };
        let mut child = run.env("RUST_LOG", "warn").stdout(Stdio::piped()).stderr(log).spawn()?;
        let out = child.stdout.take().context("no output")?;
        let line = BufReader::new(out).lines().map_while(Result::ok).find(|line| line.starts_with('{'));
        let mut server = Self { child, addresses: Value::Null, folder: folder.to_owned(), pinned };
        let line = line.with_context(|| format!("trunkline run gave no addresses: {}", server.log()))?;
        server.addresses = serde_json::from_str(&line)?;
        Ok(server)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// One of its addresses, by the name that `--print-addresses` gives it.
    pub fn address(&self, name: &str) -> &str {
        self.addresses[name].as_str().unwrap_or_default()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("trunkline.log")).unwrap_or_default()
    }

    /// A command of ours that talks to the server, on the other cores.
    pub fn client(&self, words: &[&str]) -> Command {
        let mut client = on_cores(OTHER_CORES, words);
        client
            .env("LIVEKIT_URL", format!("http://{}", self.address("http")))
            .env("LIVEKIT_API_KEY", KEY)
            .env("LIVEKIT_API_SECRET", SECRET);
        client
    }

    /// Creates a trunk and a rule.
    ///
    /// # Errors
    /// If the server refuses them.
    pub fn provision(&self, trunk: Value, rule: Value) -> Result<()> {
        let records = [("trunk", json!({ "trunk": trunk })), ("rule", json!({ "dispatch_rule": rule }))];
        for (kind, record) in records {
            let file = self.folder.join(format!("{kind}.json"));
            fs::write(&file, record.to_string())?;
            capture(&mut self.client(&[kind, "create", &file.to_string_lossy()]))?;
        }
        Ok(())
    }

    /// What it holds now.
    ///
    /// # Errors
    /// If it has ended.
    pub fn resident(&self) -> Result<Resident> {
        resident(self.pid()).with_context(|| format!("the server has ended: {}", self.log()))
    }
}
