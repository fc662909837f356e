//! `cargo xtask bench media`: callers and WebRTC participants who hear each other through the server.

use super::{build, conditions::machine, cost, delay, in_folder, options::Options, quality, run::Run, set_up, speech};
use anyhow::Result;
use serde_json::json;

/// Builds, runs and prints.
///
/// # Errors
/// If the binary cannot be built or started, or answers something unexpected.
pub fn media(options: Options) -> Result<bool> {
    if !build()? {
        return Ok(false);
    }
    in_folder(|folder| all(Run::new(options, &folder, speech::files("g722")?)))
}

fn all(mut run: Run<'_>) -> Result<bool> {
    println!("conditions: {}", machine());
    println!(
        "  server on one core, load maker on the others, loopback; a fresh server for each line; niceness -15 where allowed"
    );
    println!("  phone: PCMU, 20 ms, RTP and RTCP; participant: Opus 20 ms over DTLS-SRTP, encoded at 32 kb/s, FB");
    println!("  (WB if the server asks for no more); towards the room: Opus 24 kb/s, NB, complexity 1");
    println!("  what calls cost: {} rounds of each line with an aim, and the cheapest counts", run.options.rounds());
    println!("  speech: {}", if run.speech == "tone" { "a tone" } else { "Debian's Asterisk prompts" });
    let mut good = true;
    if !run.options.only_quality {
        good &= cost::transcoding(&mut run)?;
        good &= cost::passing_through(&mut run)?;
        good &= set_up::waiting_publisher(&mut run)?;
        good &= set_up::joining_publishers(&mut run)?;
        good &= delay::delay(&mut run)?;
    }
    if run.options.quality || run.options.only_quality {
        let server = run.server(&json!({ "answer_policy": "on_audio" }))?;
        let ports = json!({ "udp_port": 0, "tcp_port": 0, "complexity": 0 });
        let sparing = run.server(&json!({ "answer_policy": "on_audio", "rtc": ports }))?;
        good &= quality::measure(&server, &sparing, run.folder, &mut run.aims)?;
    }
    if run.options.tone_seconds > 0 {
        let server = run.server(&json!({ "answer_policy": "on_audio" }))?;
        good &= quality::tone(&server, run.folder, run.options.tone_seconds)?;
    }
    run.aims.print();
    Ok(good)
}
