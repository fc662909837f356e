//! `cargo xtask bench media`: callers and WebRTC participants who hear each other through the server.

use super::{
    Server,
    aims::Aims,
    build,
    conditions::machine,
    figures::{number, percentiles},
    floor::{Floor, Work, codec_delay},
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
/// What a jitter buffer waits for at least, in milliseconds.
const JITTER_TARGET: f64 = 20.0;
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
    in_folder(|folder| {
        let speech = speech::files("g722")?;
        Bench { options, folder: &folder, speech, runs: 0, aims: Aims::default() }.all()
    })
}

/// The bench under way.
pub struct Bench<'a> {
    pub(super) options: Options,
    folder: &'a Path,
    pub(super) speech: String,
    runs: u32,
    pub(super) aims: Aims,
}

/// One line of the table of CPU.
struct Line<'a> {
    pairs: Pairs,
    /// Laid over the server's configuration.
    config: Value,
    note: &'a str,
    /// Beside what they are compared with, if their cost can be.
    work: Option<Work>,
}

/// What came of one.
struct Outcome {
    steady: Steady,
    /// CPU of the media thread per call, in shares of a core.
    each: f64,
    /// The same in times of what its work takes alone.
    times: f64,
    /// What a call holds, MB.
    megabytes: f64,
}

impl Outcome {
    /// A figure of it, or NaN if it does not count.
    fn counted(&self, figure: f64) -> f64 {
        if self.steady.is_good() && self.steady.said >= ENOUGH { figure } else { f64::NAN }
    }
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
            good &= quality::measure(&server, self.folder, &mut self.aims)?;
        }
        if self.options.tone_seconds > 0 {
            let server = self.server(&json!({ "answer_policy": "on_audio" }))?;
            good &= quality::tone(&server, self.folder, self.options.tone_seconds)?;
        }
        self.aims.print();
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
        let mut last = (f64::NAN, f64::NAN);
        for count in counts {
            let mut pairs = self.pairs(*count);
            pairs.more.extend(["--codec", "opus"].map(str::to_owned));
            let outcome = self.line(Line { pairs, config: json!({}), note: "", work: Some(Work::Forwarding) })?;
            good &= outcome.steady.is_good();
            last = (outcome.counted(1.0 / outcome.each), outcome.counted(outcome.times));
        }
        let many = counts.last().unwrap_or(&0);
        self.aims.at_least(&format!("passed through, calls per core, by the cost of each of {many}"), 1_150.0, last.0);
        let times = Work::Forwarding.times(1_150.0);
        self.aims.at_most("  the same in times of what the datagrams take alone", times, last.1);
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
        let mut outcomes = Vec::new();
        for count in counts {
            let pairs = self.pairs(*count);
            let line = Line { pairs, config: json!({}), note: "", work: Some(Work::Transcoding) };
            let outcome = self.line(line)?;
            good &= outcome.steady.is_good();
            outcomes.push(outcome);
        }
        let many = *counts.last().unwrap_or(&50);
        let pairs = Pairs { talk_percent: 40, ..self.pairs(many) };
        let talk = self.line(Line { pairs, config: json!({}), note: "", work: None })?;
        good &= talk.steady.is_good();
        let config = json!({ "rtc": { "udp_port": 0, "tcp_port": 0, "complexity": 9 } });
        let pairs = self.pairs(50);
        let slow = self.line(Line { pairs, config, note: "  (libopus complexity 9)", work: None })?;
        good &= slow.steady.is_good();
        let [few, .., most] = outcomes.as_slice() else { return Ok(good) };
        let Steady { before, .. } = most.steady;
        println!("idle: {} MB, {} threads, {} files", before.bytes >> 20, before.threads, before.files);
        // Of the most calls that were carried whole: the more there are, the more work is shared.
        let times = outcomes.iter().map(|line| line.counted(line.times)).rfind(|times| !times.is_nan());
        let aims = &mut self.aims;
        aims.at_least(&format!("G.711 ↔ Opus, calls per core, {many} at once"), 300.0, most.counted(1.0 / most.each));
        aims.at_most(
            "  the same in times of what codecs and datagrams take alone",
            Work::Transcoding.times(300.0),
            times.unwrap_or(f64::NAN),
        );
        aims.at_least(
            &format!("G.711 ↔ Opus, each side speaks 40%, calls per core, {many} at once"),
            450.0,
            talk.counted(1.0 / talk.each),
        );
        let ratio = few.counted(most.counted(most.each / few.each));
        aims.at_most(&format!("CPU per call at {many} calls / at {}", counts[0]), 1.3, ratio);
        aims.at_most(&format!("MB per call at {many}"), 0.3, most.megabytes);
        aims.at_most("idle, MB", 30.0, before.bytes as f64 / 1e6);
        Ok(good)
    }

    /// Runs and prints one line of the table of CPU.
    fn line(&mut self, Line { pairs, config, note, work }: Line<'_>) -> Result<Outcome> {
        let floor = Floor::now(&self.speech)?;
        let server = self.server(&config)?;
        let steady = pairs.steady(&server)?;
        let count = f64::from(pairs.count);
        let heard = |received: &str, sent: &str| {
            let (received, sent) = (number(&steady.report, received), number(&steady.report, sent));
            format!("{:.1}%", 100.0 * received / sent)
        };
        let megabytes = steady.during.bytes.saturating_sub(steady.before.bytes) as f64 / count / 1e6;
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
            megabytes,
        );
        println!("       of the media thread's time: {}", stages::shares(&server)?);
        drop(server);
        let each = steady.media / count;
        let mut times = f64::NAN;
        if let Some(work) = work {
            let floor = floor.until(Floor::now(&self.speech)?);
            // Shares of a core to microseconds of 20 ms.
            times = each * 20_000.0 / floor.of(work);
            println!(
                "       alone on this core, per call and 20 ms: codecs {:.1} µs, datagrams {:.1} µs; the media thread {:.1} µs, {times:.2} times {}",
                floor.codecs,
                floor.datagrams,
                each * 20_000.0,
                if work == Work::Transcoding { "both" } else { "the datagrams" },
            );
        }
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
        Ok(Outcome { steady, each, times, megabytes })
    }

    /// How long sound takes.
    fn delay(&mut self) -> Result<bool> {
        let seconds = if self.options.quick { 8 } else { 16 };
        let count = 50;
        println!(
            "\nDelay at {count} calls, of marks in the sound: packet sent to first sample received; p50 / p95 / p99 / max ms"
        );
        let (to_room, to_phone) = codec_delay(&self.speech)?;
        let server = self.server(&json!({}))?;
        let measure = |what: &str| Pairs { more: vec!["--measure".into(), what.into()], ..self.pairs(count) };
        let there = measure("one-way").run(&server, seconds)?;
        let back = measure("round-trip").run(&server, seconds)?;
        let all = &["p50", "p95", "p99", "max"];
        println!("  phone → room            {}   (the codecs alone: {to_room} ms)", percentiles(&there, "up_ms", all));
        println!(
            "  room → phone            {}   (the codecs alone: {to_phone} ms)",
            percentiles(&there, "down_ms", all)
        );
        println!(
            "  phone → room → phone    {}   (the participant returns the packets)",
            percentiles(&back, "up_ms", all)
        );
        let p99 = |report: &Value, what: &str| number(report, &format!("{what}.p99"));
        self.aims.at_most("phone → room, ms at p99 beyond the codec's own", 2.0, p99(&there, "up_ms") - to_room);
        self.aims.at_most(
            "room → phone, ms at p99 beyond the codec's own and the least jitter target",
            20.0,
            p99(&there, "down_ms") - to_phone - JITTER_TARGET,
        );
        self.aims.at_most("phone → room → phone, ms at p99 (livekit: 186)", 90.0, p99(&back, "up_ms"));
        Ok(is_good(&there) && is_good(&back))
    }
}
