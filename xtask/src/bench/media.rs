//! `cargo xtask bench media`: callers and WebRTC participants who hear each other through the server.

use super::{
    Server, build,
    conditions::machine,
    figures::{number, percentiles},
    in_folder,
    pairs::{DIGITS, Pairs, Steady, is_good, start},
    quality, set_up, speech, stages,
};
use anyhow::{Result, bail};
use serde_json::{Value, json};
use std::path::Path;

/// What is asked of the bench.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Fewer and shorter runs.
    pub quick: bool,
    /// PESQ too.
    pub quality: bool,
    /// Nothing but PESQ and the tone.
    pub only_quality: bool,
    /// How long a tone is listened to, in seconds; 0: not at all.
    pub tone_seconds: u64,
}

impl Options {
    /// From the command line.
    ///
    /// # Errors
    /// If there is an option nobody knows.
    pub fn read(mut words: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        while let [word, rest @ ..] = words {
            words = rest;
            match *word {
                "--quick" => options.quick = true,
                "--quality" => options.quality = true,
                "--only-quality" => options.only_quality = true,
                "--tone" => {
                    let [seconds, rest @ ..] = words else { bail!("--tone takes seconds") };
                    options.tone_seconds = seconds.parse()?;
                    words = rest;
                }
                other => bail!("unknown option {other}; there are --quick, --quality, --only-quality, --tone SECONDS"),
            }
        }
        Ok(options)
    }
}

/// The share of the packets that must have been said for a figure to count.
const ENOUGH: f64 = 0.96;
/// Begun per second, where the beginning is not what is measured.
const RATE: f64 = 30.0;

/// Builds, runs and prints.
///
/// # Errors
/// If the binary cannot be built or started, or answers something unexpected.
pub fn media(options: Options) -> Result<bool> {
    if !build()? {
        return Ok(false);
    }
    in_folder(|folder| Bench { options, folder: &folder, speech: speech::files("g722")?, runs: 0 }.all())
}

/// The bench under way.
pub struct Bench<'a> {
    pub(super) options: Options,
    folder: &'a Path,
    pub(super) speech: String,
    runs: u32,
}

impl Bench<'_> {
    fn all(mut self) -> Result<bool> {
        println!("conditions: {}", machine());
        println!(
            "  server on one core, load maker on the others, loopback; a fresh server for each line; niceness -15 where allowed"
        );
        println!("  phone: PCMU, 20 ms, RTP and RTCP; participant: Opus 20 ms over DTLS-SRTP, encoded at 32 kb/s, FB");
        println!("  (WB if the server asks for no more); towards the room: Opus 24 kb/s, NB, complexity 1");
        println!("  speech: {}", if self.speech == "tone" { "a tone" } else { "Debian's Asterisk prompts" });
        let mut good = true;
        if !self.options.only_quality {
            good &= self.transcoding()?;
            good &= self.passing_through()?;
            good &= set_up::waiting_publisher(&mut self)?;
            good &= set_up::joining_publishers(&mut self)?;
            good &= self.delay()?;
        }
        if self.options.quality || self.options.only_quality {
            let server = self.server(&json!({ "answer_policy": "on_audio" }))?;
            good &= quality::measure(&server, self.folder)?;
        }
        if self.options.tone_seconds > 0 {
            let server = self.server(&json!({ "answer_policy": "on_audio" }))?;
            good &= quality::tone(&server, self.folder, self.options.tone_seconds)?;
        }
        Ok(good)
    }

    /// A fresh server.
    pub(super) fn server(&mut self, more: &Value) -> Result<Server> {
        self.runs += 1;
        start(&self.folder.join(self.runs.to_string()), more)
    }

    pub(super) fn pairs(&self, count: u32) -> Pairs {
        Pairs {
            count,
            rate: RATE,
            interval: if self.options.quick { 6.0 } else { 15.0 },
            digits: DIGITS,
            speech: self.speech.clone(),
            talk_percent: 100,
            // As with an agent: the caller is in the room when its partner comes.
            more: vec!["--first".into(), "caller".into()],
        }
    }

    /// Opus on both sides: packets go on as they came.
    fn passing_through(&mut self) -> Result<bool> {
        println!("\nOpus ↔ Opus, passed through");
        Self::head();
        let counts: &[u32] = if self.options.quick { &[150] } else { &[150, 300, 600] };
        let mut good = true;
        for count in counts {
            let mut pairs = self.pairs(*count);
            pairs.more.extend(["--codec", "opus"].map(str::to_owned));
            good &= self.line(pairs, &json!({}), "")?.is_good();
        }
        println!("  bar: 1,150 calls per core, by the cost of each of 600");
        Ok(good)
    }

    /// The head of the table of CPU.
    fn head() {
        println!(
            "{:>6} {:>5}  {:^23}  {:^15}  {:>11}  {:>13}  {:^13}",
            "calls", "talk", "ms of CPU per call·s", "calls per core", "core busy", "packets heard", "RSS, MB"
        );
        println!(
            "{:>6} {:>5}  {:>11} {:>11}  {:>7} {:>7}  {:>5} {:>5}  {:>6} {:>6}  {:>6} {:>6}",
            "", "%", "media", "process", "media", "process", "serv.", "load", "phone", "room", "idle", "each"
        );
    }

    fn transcoding(&mut self) -> Result<bool> {
        println!("\nG.711 ↔ Opus, each call in a room of its own, CPU over the steady part");
        Self::head();
        let counts: &[u32] = if self.options.quick { &[50, 150] } else { &[50, 150, 300] };
        let mut good = true;
        let mut costs = Vec::new();
        let mut last = None;
        for count in counts {
            let steady = self.line(self.pairs(*count), &json!({}), "")?;
            costs.push(steady.media / f64::from(*count));
            good &= steady.is_good();
            last = Some(steady);
        }
        let many = *counts.last().unwrap_or(&50);
        let conversation = Pairs { talk_percent: 40, ..self.pairs(many) };
        good &= self.line(conversation, &json!({}), "")?.is_good();
        let complexity = json!({ "rtc": { "udp_port": 0, "tcp_port": 0, "complexity": 9 } });
        let slow = self.line(self.pairs(50), &complexity, "  (libopus complexity 9)")?;
        good &= slow.is_good();
        if let (Some(few), Some(most)) = (costs.first(), costs.last()) {
            println!("CPU of the media thread per call at {many} calls / at {}: {:.2}", counts[0], most / few);
        }
        println!("  bars: 300 calls per core; 450 with 40% talk; ratio 1.3; 0.3 MB per call; idle under 30 MB");
        if let Some(Steady { before, .. }) = last {
            println!("idle: {} MB, {} threads, {} files", before.bytes >> 20, before.threads, before.files);
        }
        Ok(good)
    }

    /// One line of the table of CPU.
    fn line(&mut self, pairs: Pairs, more: &Value, note: &str) -> Result<Steady> {
        let server = self.server(more)?;
        let steady = pairs.steady(&server)?;
        let count = f64::from(pairs.count);
        let heard = |received: &str, sent: &str| {
            let (received, sent) = (number(&steady.report, received), number(&steady.report, sent));
            format!("{:.1}%", 100.0 * received / sent)
        };
        let each = steady.during.bytes.saturating_sub(steady.before.bytes) as f64 / count / 1e6;
        println!(
            "{:>6} {:>5}  {:>11.2} {:>11.2}  {:>7.0} {:>7.0}  {:>4.0}% {:>4.0}%  {:>6} {:>6}  {:>6} {:>6.2}{note}",
            pairs.count,
            pairs.talk_percent,
            steady.media * 1e3 / count,
            steady.server * 1e3 / count,
            count / steady.media,
            count / steady.server,
            steady.server * 100.0,
            steady.load * 100.0,
            // A phone hears 50 packets a second, whatever the participant sends.
            heard("callers.received", "callers.sent"),
            heard("participants.received", "callers.sent"),
            steady.before.bytes / 1_000_000,
            each,
        );
        println!("       of the media thread's time: {}", stages::shares(&server)?);
        if steady.said < ENOUGH {
            println!(
                "       !!! the load maker lacked CPU: only {:.0}% was said; this line does not count",
                steady.said * 100.0
            );
        }
        if let Some(left_out) = &steady.left_out {
            println!("       !!! not all was carried: {left_out}; this line does not count");
        }
        if !is_good(&steady.report) {
            println!(
                "       {} calls failed: {}",
                number(&steady.report, "callers.failed"),
                steady.report["participants"]["failures"]
            );
        }
        Ok(steady)
    }

    /// How long sound takes.
    fn delay(&mut self) -> Result<bool> {
        let seconds = if self.options.quick { 8 } else { 16 };
        let count = 50;
        println!(
            "\nDelay at {count} calls, of marks in the sound: packet sent to first sample received; p50 / p95 / p99 / max ms"
        );
        let server = self.server(&json!({}))?;
        let measure = |what: &str| Pairs { more: vec!["--measure".into(), what.into()], ..self.pairs(count) };
        let there = measure("one-way").run(&server, seconds)?;
        let back = measure("round-trip").run(&server, seconds)?;
        let all = &["p50", "p95", "p99", "max"];
        println!("  phone → room            {}   (of it libopus 6.5 ms)", percentiles(&there, "up_ms", all));
        println!("    bar: 2 ms at p99 beyond the codec's own");
        println!("  room → phone            {}   (of it libopus 6.5 ms)", percentiles(&there, "down_ms", all));
        println!("    bar: the jitter target + 20 ms");
        println!(
            "  phone → room → phone    {}   (the participant returns the packets)",
            percentiles(&back, "up_ms", all)
        );
        println!("    bar: 90 ms (livekit-sip with livekit-server: 186)");
        Ok(is_good(&there) && is_good(&back))
    }
}
