//! How fast calls are set up when a participant waits or comes.

use super::{
    figures::{number, percentiles},
    pairs::{Pairs, is_good},
    run::Run,
};
use anyhow::Result;
use serde_json::json;

/// Calls per second with a participant each.
const RATES: &[u32] = &[20, 50, 100, 150, 200];
/// The rate that must hold.
const BAR: u32 = 150;

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Calls to rooms in which somebody speaks already.
pub fn waiting_publisher(run: &mut Run<'_>) -> Result<bool> {
    let count = if run.options.quick { 60 } else { 200 };
    let rate = 10.0;
    println!(
        "\nSet-up, answer_policy on_audio, a publisher waits in the room; {count} calls, {rate} a second; p50 / p95 / p99 ms"
    );
    let server = run.server(&json!({ "answer_policy": "on_audio" }))?;
    let pairs = Pairs { rate, speech: "tone".into(), more: words(&["--hold-seconds", "1"]), ..run.pairs(count) };
    let report = pairs.run(&server, u64::from(count) / 10 + 4)?;
    let all = &["p50", "p95", "p99"];
    println!("  INVITE→180          {}", percentiles(&report, "callers.invite_to_180_ms", all));
    println!("  INVITE→200          {}", percentiles(&report, "callers.invite_to_200_ms", all));
    println!("  first RTP           {}", percentiles(&report, "callers.first_packet_ms", all));
    println!("  first RTP of sound  {}", percentiles(&report, "callers.first_sound_ms", all));
    let p95 = |what: &str| number(&report, &format!("callers.{what}.p95"));
    run.aims.at_most("INVITE→200, publisher waiting, ms at p95 (livekit: 25)", 8.0, p95("invite_to_200_ms"));
    run.aims.at_most("INVITE→first RTP of sound, ms at p95 (livekit: 83)", 30.0, p95("first_sound_ms"));
    Ok(is_good(&report))
}

/// Calls whose participant joins and publishes at the same moment.
pub fn joining_publishers(run: &mut Run<'_>) -> Result<bool> {
    let seconds = if run.options.quick { 4 } else { 8 };
    println!(
        "\nSet-up, answer_policy on_audio, a WebRTC participant joins and publishes for each call; {seconds} s per rate, held 0.5 s"
    );
    println!(
        "{:>8} {:>7} {:>7}  {:^24}  {:^24}",
        "calls/s", "calls", "failed", "INVITE→200 p50/p95 ms", "joining p50/p95 ms"
    );
    let rates = if run.options.quick { &RATES[1..4] } else { RATES };
    let mut good = true;
    let mut best = 0;
    for rate in rates {
        let server = run.server(&json!({ "answer_policy": "on_audio" }))?;
        let pairs = Pairs {
            rate: f64::from(*rate),
            speech: "tone".into(),
            more: words(&["--hold-seconds", "0.5", "--first", "nobody"]),
            ..run.pairs(rate * seconds)
        };
        let report = pairs.run(&server, u64::from(seconds) + 12)?;
        let failures = report["participants"]["failures"].as_array().map_or(0, Vec::len);
        println!(
            "{rate:>8} {:>7} {:>7}  {:^24}  {:^24}",
            number(&report, "callers.calls"),
            format!("{}+{failures}", number(&report, "callers.failed")),
            percentiles(&report, "callers.invite_to_200_ms", &["p50", "p95"]),
            percentiles(&report, "participants.joining_ms", &["p50", "p95"]),
        );
        if is_good(&report) {
            best = *rate;
        }
        good &= *rate > BAR || is_good(&report);
    }
    run.aims.at_least(
        "joining publishers per second without a failure (livekit: refusals from 20)",
        f64::from(BAR),
        f64::from(best),
    );
    Ok(good)
}
