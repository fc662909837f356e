//! What calls cost: CPU of the media thread, memory, and what they cost at least.

use super::{
    figures::number,
    floor::{Floor, Work},
    pairs::{Pairs, Steady, is_good},
    run::Run,
    stages,
};
use anyhow::Result;
use serde_json::{Value, json};

/// The share of the packets that must have been said for a figure to count.
const ENOUGH: f64 = 0.96;

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

/// G.711 on one side, Opus on the other: every packet is decoded and encoded.
pub fn transcoding(run: &mut Run<'_>) -> Result<bool> {
    println!("\nG.711 ↔ Opus, each call in a room of its own, CPU over the steady part");
    head();
    let counts: &[u32] = if run.options.quick { &[50, 150] } else { &[50, 150, 300] };
    let mut good = true;
    let mut outcomes = Vec::new();
    for count in counts {
        let pairs = run.pairs(*count);
        let outcome = line(run, Line { pairs, config: json!({}), note: "", work: Some(Work::Transcoding) })?;
        good &= outcome.steady.is_good();
        outcomes.push(outcome);
    }
    let many = *counts.last().unwrap_or(&50);
    let pairs = Pairs { talk_percent: 40, ..run.pairs(many) };
    let talk = line(run, Line { pairs, config: json!({}), note: "", work: None })?;
    good &= talk.steady.is_good();
    let config = json!({ "rtc": { "udp_port": 0, "tcp_port": 0, "complexity": 9 } });
    let pairs = run.pairs(50);
    let slow = line(run, Line { pairs, config, note: "  (libopus complexity 9)", work: None })?;
    good &= slow.steady.is_good();
    let [few, .., most] = outcomes.as_slice() else { return Ok(good) };
    let Steady { before, .. } = most.steady;
    println!("idle: {} MB, {} threads, {} files", before.bytes / 1_000_000, before.threads, before.files);
    // Of the most calls that were carried whole: the more there are, the more work is shared.
    let times = outcomes.iter().map(|line| line.counted(line.times)).rfind(|times| !times.is_nan());
    let aims = &mut run.aims;
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

/// Opus on both sides: packets go on as they came.
pub fn passing_through(run: &mut Run<'_>) -> Result<bool> {
    println!("\nOpus ↔ Opus, passed through");
    head();
    let counts: &[u32] = if run.options.quick { &[150] } else { &[150, 300, 600] };
    let mut good = true;
    let mut last = (f64::NAN, f64::NAN);
    for count in counts {
        let mut pairs = run.pairs(*count);
        pairs.more.extend(["--codec", "opus"].map(str::to_owned));
        let outcome = line(run, Line { pairs, config: json!({}), note: "", work: Some(Work::Forwarding) })?;
        good &= outcome.steady.is_good();
        last = (outcome.counted(1.0 / outcome.each), outcome.counted(outcome.times));
    }
    let many = counts.last().unwrap_or(&0);
    run.aims.at_least(&format!("passed through, calls per core, by the cost of each of {many}"), 1_150.0, last.0);
    let times = Work::Forwarding.times(1_150.0);
    run.aims.at_most("  the same in times of what the datagrams take alone", times, last.1);
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

/// Runs and prints one line of the table of CPU.
fn line(run: &mut Run<'_>, Line { pairs, config, note, work }: Line<'_>) -> Result<Outcome> {
    let floor = Floor::now(&run.speech)?;
    let server = run.server(&config)?;
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
        let floor = floor.until(Floor::now(&run.speech)?);
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
