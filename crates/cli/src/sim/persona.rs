//! `trunkline sim persona`.

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::{
    io::{Read, Write},
    net::SocketAddr,
    os::unix::fs::FileTypeExt,
    path::PathBuf,
    sync::atomic::Ordering,
    time::Duration,
};
use trunkline_sim::persona::{self, Plan, Settings, names};

#[derive(Args)]
pub(crate) struct Persona {
    /// Which one: a list is printed for a name that does not exist
    name: String,
    /// Where it listens; port 0 for a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    #[arg(long, value_enum, default_value = "udp")]
    transport: Transport,
    /// Call this server instead of waiting for calls
    #[arg(long, requires = "to")]
    call: Option<SocketAddr>,
    /// The number called
    #[arg(long)]
    to: Option<String>,
    /// It is done after so many calls; 0 for never
    #[arg(long, default_value_t = 1)]
    calls: u32,
    /// It is done after so many seconds
    #[arg(long = "for")]
    seconds: Option<f64>,
    /// A header of its INVITE, or of its answers to one: 'Name: value'
    #[arg(long = "header")]
    headers: Vec<String>,
    /// What it does differently: key=value
    #[arg(long = "set")]
    settings: Vec<String>,
    /// Writes what it hears to this WAV file
    #[arg(long)]
    record: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Transport {
    Udp,
    Tcp,
    Tls,
}

impl Persona {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let transport = match self.transport {
            Transport::Udp => persona::Transport::Udp,
            Transport::Tcp => persona::Transport::Tcp,
            Transport::Tls => persona::Transport::Tls,
        };
        let mut headers = Vec::new();
        for header in &self.headers {
            let Some((name, value)) = header.split_once(':') else { bail!("{header:?} is not 'Name: value'") };
            headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        let mut settings = Vec::new();
        for setting in &self.settings {
            let Some((key, value)) = setting.split_once('=') else { bail!("{setting:?} is not key=value") };
            settings.push((key.to_owned(), value.to_owned()));
        }
        if !names().contains(&self.name.as_str()) {
            bail!("there is no persona {:?}; there are {}", self.name, names().join(", "));
        }
        let limit = self.seconds.map(Duration::try_from_secs_f64).transpose().context("--for")?;
        let plan = Plan {
            name: self.name,
            listen: self.listen,
            transport,
            call: self.call.zip(self.to),
            calls: self.calls,
            limit,
            headers,
            settings: Settings::new(settings),
            record: self.record,
        };
        let running = persona::start(plan)?;
        print(&json!({ "sip": running.address.to_string(), "transport": transport.name() }))?;
        if is_held() {
            let stop = running.stopper();
            // It ends with the process.
            std::thread::spawn(move || {
                let mut rest = [0; 256];
                while std::io::stdin().read(&mut rest).is_ok_and(|read| read > 0) {}
                stop.store(true, Ordering::Relaxed);
            });
        }
        while let Ok(event) = running.events.recv() {
            print(&event)?;
        }
        running.wait();
        Ok(())
    }
}

/// Whether somebody holds the other end of the standard input, whose closing means something.
fn is_held() -> bool {
    std::fs::metadata("/dev/stdin").is_ok_and(|stdin| stdin.file_type().is_fifo() || stdin.file_type().is_socket())
}

fn print(line: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(line)?)?;
    Ok(out.flush()?)
}
