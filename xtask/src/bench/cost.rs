//! What calls cost: CPU of the media thread, memory, and what they cost at least.

use super::{
    figures::number,
    floor::{Floor, Work, times_allowed},
    pairs::{Pairs, Steady, is_good},
    run::Run,
    stages,
};
use anyhow::Result;
use serde_json::{Value, json};

/// The share of the packets that must have been said for a figure to count.
const ENOUGH: f64 = 0.96;

/// One line of the table of CPU.
struct Line {
    pairs: Pairs,
    /// Laid over the server's configuration.
    config: Value,
    note: &'static str,
    /// Beside what they are compared with, if their cost can be.
    work: Option<Work>,
    /// Whether there is an aim for it, so that it is measured in every round.
    is_aim: bool,
}

/// What came of one.
struct Outcome {
    steady: Steady,
    /// CPU of the media thread per call, in shares of a core.
    each: f64,
    /// What its work takes alone, likewise; NaN if nobody measured that.
    alone: f64,
    /// What a call holds, MB.
    megabytes: f64,
}

impl Outcome {
    /// Whether its figures count.
    fn counts(&self) -> bool {
        self.steady.is_good() && self.steady.said >= ENOUGH
    }
}

/// What came of a line in each round.
#[derive(Default)]
struct Rounds(Vec<Outcome>);

impl Rounds {
    /// The least of `figure` over the rounds that count, NaN if none does: neighbours on a shared
    /// machine add to a cost and never take from it.
    fn least(&self, figure: impl Fn(&Outcome) -> f64) -> f64 {
        self.0.iter().filter(|outcome| outcome.counts()).map(figure).fold(f64::NAN, f64::min)
    }

    /// What a call costs in times of what its work takes alone, each at its cheapest: neighbours make
    /// both dearer, and a floor that they raised would flatter.
    fn times(&self) -> f64 {
        self.least(|outcome| outcome.each) / self.least(|outcome| outcome.alone)
    }

    /// Whether no call failed in any round, and everything was carried in one of them.
    fn is_good(&self) -> bool {
        self.0.iter().all(|outcome| is_good(&outcome.steady.report)) && self.0.iter().any(|o| o.steady.is_good())
    }

    /// Of the cheapest round, how many calls a core carries.
    fn calls_per_core(&self) -> f64 {
        1.0 / self.least(|outcome| outcome.each)
    }
}

/// Runs the lines, those with an aim in every round, and tells whether all went well.
fn measure(run: &mut Run<'_>, lines: &[Line]) -> Result<(bool, Vec<Rounds>)> {
    let mut outcomes: Vec<_> = lines.iter().map(|_| Rounds::default()).collect();
    head();
    for round in 0..run.options.rounds() {
        for (line, rounds) in lines.iter().zip(&mut outcomes).filter(|(line, _)| round == 0 || line.is_aim) {
            rounds.0.push(self::line(run, line)?);
        }
    }
    Ok((outcomes.iter().all(Rounds::is_good), outcomes))
}

/// G.711 on one side, Opus on the other: every packet is decoded and encoded.
pub fn transcoding(run: &mut Run<'_>) -> Result<bool> {
    println!("\nG.711 ↔ Opus, each call in a room of its own, CPU over the steady part");
    let counts: &[u32] = if run.options.quick { &[50, 150] } else { &[50, 150, 300] };
    let (Some(few), Some(many)) = (counts.first().copied(), counts.last().copied()) else { return Ok(false) };
    let line = |pairs: Pairs| {
        let is_aim = pairs.count == few || pairs.count == many;
        Line { pairs, config: json!({}), note: "", work: Some(Work::Transcoding), is_aim }
    };
    let mut lines: Vec<_> = counts.iter().map(|count| line(run.pairs(*count))).collect();
    lines.push(Line { work: None, ..line(Pairs { talk_percent: 40, ..run.pairs(many) }) });
    lines.push(Line {
        config: json!({ "rtc": { "udp_port": 0, "tcp_port": 0, "complexity": 9 } }),
        note: "  (libopus complexity 9)",
        work: None,
        is_aim: false,
        ..line(run.pairs(few))
    });
    let (good, outcomes) = measure(run, &lines)?;
    let [fewest, .., most, talk, _] = outcomes.as_slice() else { return Ok(good) };
    let Some(idle) = fewest.0.first().map(|outcome| outcome.steady.before) else { return Ok(good) };
    println!("idle: {} MB, {} threads, {} files", idle.bytes / 1_000_000, idle.threads, idle.files);
    // Of the most calls that were carried whole: the more there are, the more work is shared.
    let times = outcomes[..counts.len()].iter().map(Rounds::times).rfind(|times| !times.is_nan());
    let megabytes = most.0.iter().map(|outcome| outcome.megabytes).fold(f64::NAN, f64::max);
    let aims = &mut run.aims;
    aims.at_least(&format!("G.711 ↔ Opus, calls per core, {many} at once"), 300.0, most.calls_per_core());
    aims.at_most(
        "  the same in times of what codecs and datagrams take alone",
        times_allowed(300.0),
        times.unwrap_or(f64::NAN),
    );
    aims.at_least(
        &format!("G.711 ↔ Opus, each side speaks 40%, calls per core, {many} at once"),
        450.0,
        talk.calls_per_core(),
    );
    let ratio = fewest.calls_per_core() / most.calls_per_core();
    aims.at_most(&format!("CPU per call at {many} calls / at {few}"), 1.3, ratio);
    aims.at_most(&format!("MB per call at {many}"), 0.3, megabytes);
    aims.at_most("idle, MB", 30.0, idle.bytes as f64 / 1e6);
    Ok(good)
}

/// Opus on both sides: packets go on as they came.
pub fn passing_through(run: &mut Run<'_>) -> Result<bool> {
    println!("\nOpus ↔ Opus, passed through");
    let counts: &[u32] = if run.options.quick { &[150] } else { &[150, 300, 600] };
    let Some(many) = counts.last().copied() else { return Ok(false) };
    let lines: Vec<_> = counts
        .iter()
        .map(|count| {
            let mut pairs = run.pairs(*count);
            pairs.more.extend(["--codec", "opus"].map(str::to_owned));
            Line { pairs, config: json!({}), note: "", work: Some(Work::Forwarding), is_aim: *count == many }
        })
        .collect();
    let (good, outcomes) = measure(run, &lines)?;
    let Some(last) = outcomes.last() else { return Ok(good) };
    let what = format!("passed through, calls per core, by the cost of each of {many}");
    // Not judged in times of what the datagrams take alone. From one machine to another that fell from
    // 6 to 2.5 µs, but the server's thread from 18 to 12: it says nothing about the server.
    run.aims.at_least(&what, 1_150.0, last.calls_per_core());
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
fn line(run: &mut Run<'_>, Line { pairs, config, note, work, .. }: &Line) -> Result<Outcome> {
    let floor = Floor::now(&run.speech)?;
    let server = run.server(config)?;
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
    let mut alone = f64::NAN;
    if let Some(work) = work {
        let floor = floor.until(Floor::now(&run.speech)?);
        // Microseconds of 20 ms to shares of a core.
        alone = floor.of(*work) / 20_000.0;
        let times = each / alone;
        println!(
            "       alone on this core, per call and 20 ms: codecs {:.1} µs, datagrams {:.1} µs; the media thread {:.1} µs, {times:.2} times {}",
            floor.codecs,
            floor.datagrams,
            each * 20_000.0,
            if *work == Work::Transcoding { "both" } else { "the datagrams" },
        );
    }
    if steady.said < ENOUGH {
        println!(
            "       !!! the load maker lacked CPU: only {:.0}% was said; this line does not count",
            steady.said * 100.0
        );
    }
    let when = [("while one call after the other began", steady.strain_before), ("then", steady.strain)];
    for (when, strain) in when.into_iter().filter(|(_, strain)| !strain.is_nothing()) {
        println!("       {when}: {strain}");
    }
    if !steady.is_lossless() {
        println!("       !!! not all was carried; this line does not count");
    }
    if !is_good(&steady.report) {
        println!(
            "       {} calls failed: {}",
            number(&steady.report, "callers.failed"),
            steady.report["participants"]["failures"]
        );
    }
    Ok(Outcome { steady, each, alone, megabytes })
}

#[cfg(test)]
mod tests {
    use super::super::{Resident, stages::Strain};
    use super::*;

    fn outcome(each: f64, failed: u32, strain: Strain) -> Outcome {
        let report = json!({ "callers": { "calls": 300, "failed": failed }, "participants": { "failures": [] } });
        let (before, during) = (Resident::default(), Resident::default());
        let strain_before = Strain::default();
        let steady =
            Steady { report, media: 0.0, server: 0.0, load: 0.0, before, during, said: 1.0, strain, strain_before };
        Outcome { steady, each, alone: each / 2.0, megabytes: 0.25 }
    }

    #[test]
    fn the_cheapest_round_counts_of_those_that_carried_all() {
        let rounds = Rounds(vec![
            outcome(1.0 / 290.0, 0, Strain::default()),
            outcome(1.0 / 310.0, 0, Strain::default()),
            outcome(1.0 / 330.0, 0, Strain::of("trunkline_media_left_out_seconds_total{} 2")),
            outcome(1.0 / 350.0, 1, Strain::default()),
        ]);
        assert!((rounds.calls_per_core() - 310.0).abs() < 1e-6);
        assert!((rounds.times() - 2.0).abs() < 1e-6 && !rounds.is_good(), "a call failed");
        assert!(Rounds(vec![outcome(0.003, 1, Strain::default())]).calls_per_core().is_nan());
    }

    #[test]
    fn a_floor_raised_in_one_round_flatters_no_other() {
        let quiet = outcome(0.003, 0, Strain::default());
        let noisy = Outcome { alone: 0.003, ..outcome(0.0031, 0, Strain::default()) };
        let rounds = Rounds(vec![quiet, noisy]);
        assert!((rounds.times() - 2.0).abs() < 1e-6 && rounds.is_good());
    }

    #[test]
    fn a_line_that_left_something_out_while_calls_began_does_not_count() {
        let strain_before = Strain::of("trunkline_media_left_out_seconds_total{} 2");
        let mut round = outcome(0.003, 0, Strain::default());
        round.steady.strain_before = strain_before;
        assert!(!round.counts() && !Rounds(vec![round]).is_good());
    }
}
