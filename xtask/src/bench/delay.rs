//! How long sound takes through the bridge.

use super::{
    figures::{number, percentiles},
    floor::codec_delay,
    pairs::{Pairs, is_good},
    run::Run,
    stages::jitter_target,
};
use anyhow::Result;
use serde_json::{Value, json};

/// How long marks in the sound take each way and there and back, at 50 calls.
pub fn delay(run: &mut Run<'_>) -> Result<bool> {
    let seconds = if run.options.quick { 8 } else { 16 };
    let count = 50;
    println!(
        "\nDelay at {count} calls, of marks in the sound: packet sent to first sample received; p50 / p95 / p99 / max ms"
    );
    let (to_room, to_phone) = codec_delay(&run.speech)?;
    let server = run.server(&json!({}))?;
    let measure = |what: &str| Pairs { more: vec!["--measure".into(), what.into()], ..run.pairs(count) };
    let there = measure("one-way").run(&server, seconds)?;
    let target = jitter_target(&server)?;
    let back = measure("round-trip").run(&server, seconds)?;
    let all = &["p50", "p95", "p99", "max"];
    println!("  phone → room            {}   (the codecs alone: {to_room} ms)", percentiles(&there, "up_ms", all));
    println!(
        "  room → phone            {}   (the codecs alone: {to_phone} ms; jitter buffers aimed at {target:.1} ms, on average)",
        percentiles(&there, "down_ms", all)
    );
    println!("  phone → room → phone    {}   (the participant returns the packets)", percentiles(&back, "up_ms", all));
    let p99 = |report: &Value, what: &str| number(report, &format!("{what}.p99"));
    run.aims.at_most("phone → room, ms at p99 beyond the codec's own", 2.0, p99(&there, "up_ms") - to_room);
    run.aims.at_most(
        "room → phone, ms at p99 beyond the codec's own and the mean jitter target",
        20.0,
        p99(&there, "down_ms") - to_phone - target,
    );
    run.aims.at_most("phone → room → phone, ms at p99 (livekit: 186)", 90.0, p99(&back, "up_ms"));
    Ok(is_good(&there) && is_good(&back))
}
