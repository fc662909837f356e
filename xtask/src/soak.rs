//! `cargo xtask soak`: fifty rooms for a long time, calls coming and going, and what is left then.

use crate::{
    bench::{Pairs, Resident, build, in_folder, machine, number, pairs, speech},
    process::Stopwatch,
};
use anyhow::Result;
use serde_json::json;
use std::{path::Path, process::Stdio, time::Duration};

const ROOMS: u32 = 50;
/// A call lasts so long, give or take half of it.
const HOLD: &str = "40";
/// Between two samples.
const EVERY: Duration = Duration::from_secs(10);
/// After the last call, until nothing may be left.
const REST: Duration = Duration::from_secs(60);
/// What may stay open.
const FILES: usize = 8;
const THREADS: usize = 2;
/// How much memory may grow from the second quarter to the last, as a share, and in bytes.
const GROWTH: f64 = 0.10;
const SLACK: u64 = 4 << 20;

/// Builds, runs for so many minutes, prints; whether all came back to where it was.
///
/// # Errors
/// If the binary cannot be built or started, or ends by itself.
pub fn run(minutes: u64) -> Result<bool> {
    if !build()? {
        return Ok(false);
    }
    in_folder(|folder| measure(&folder, minutes))
}

fn measure(folder: &Path, minutes: u64) -> Result<bool> {
    println!("conditions: {}", machine());
    println!(
        "  {ROOMS} rooms with a caller and a WebRTC participant each, calls of {HOLD} s give or take half, {minutes} min"
    );
    let server = pairs::start(folder, &json!({ "answer_policy": "on_audio", "room": { "departure_timeout": 1 } }))?;
    std::thread::sleep(Duration::from_secs(2));
    let before = server.resident()?;
    let load = Pairs {
        count: ROOMS,
        rate: 5.0,
        interval: 0.0,
        digits: pairs::DIGITS,
        speech: speech::files("g722")?,
        talk_percent: 40,
        more: ["--again", "--hold-seconds", HOLD].map(str::to_owned).to_vec(),
    };
    println!("{:>9} {:>9} {:>7} {:>8}", "seconds", "RSS, MB", "files", "threads");
    let watch = Stopwatch::start();
    let show = |what: &Resident| {
        let seconds = watch.elapsed().as_secs();
        println!("{seconds:>9} {:>9.1} {:>7} {:>8}", what.bytes as f64 / 1e6, what.files, what.threads);
    };
    show(&before);
    let mut child = load.command(&server, minutes * 60).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
    let mut samples = Vec::new();
    while child.try_wait()?.is_none() {
        std::thread::sleep(EVERY);
        let sample = server.resident()?;
        show(&sample);
        samples.push(sample);
    }
    let report = pairs::report(&child.wait_with_output()?.stdout)?;
    std::thread::sleep(REST);
    let after = server.resident()?;
    show(&after);
    let calls = number(&report, "callers.calls");
    println!("calls: {calls}, failed: {}", number(&report, "callers.failed"));
    println!("participants that failed: {}", report["participants"]["failures"]);
    println!(
        "packets: phones missed {} of {}, participants {} of {}",
        number(&report, "callers.lost"),
        number(&report, "callers.received"),
        number(&report, "participants.lost"),
        number(&report, "participants.received"),
    );
    let settled = settled(&before, &samples, &after);
    Ok(settled && pairs::is_good(&report))
}

/// Whether nothing grew and nothing is left.
fn settled(before: &Resident, samples: &[Resident], after: &Resident) -> bool {
    let mean = |quarter: &[Resident]| quarter.iter().map(|s| s.bytes).sum::<u64>() / (quarter.len() as u64).max(1);
    let quarter = (samples.len() / 4).max(1);
    let early = mean(samples.get(quarter..quarter * 2).unwrap_or(samples));
    let late = mean(samples.get(samples.len().saturating_sub(quarter)..).unwrap_or(samples));
    let grown = late > early + (early as f64 * GROWTH) as u64 + SLACK;
    let left = after.files > before.files + FILES || after.threads > before.threads + THREADS;
    println!(
        "memory: {:.1} MB before, {:.1} in the second quarter, {:.1} in the last, {:.1} after: {}",
        before.bytes as f64 / 1e6,
        early as f64 / 1e6,
        late as f64 / 1e6,
        after.bytes as f64 / 1e6,
        if grown { "IT GREW" } else { "steady" },
    );
    println!(
        "files: {} before, {} after; threads: {} before, {} after: {}",
        before.files,
        after.files,
        before.threads,
        after.threads,
        if left { "SOMETHING IS LEFT" } else { "nothing is left" },
    );
    !grown && !left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(megabytes: u64, files: usize) -> Resident {
        Resident { bytes: megabytes << 20, files, threads: 10 }
    }

    #[test]
    fn growth_and_remains_are_noticed() {
        let steady = [40, 60, 61, 60, 62, 61, 60, 61].map(|m| held(m, 200));
        assert!(settled(&held(20, 30), &steady, &held(58, 32)));
        assert!(!settled(&held(20, 30), &steady, &held(58, 60)));
        let growing = [40, 60, 70, 80, 90, 100, 110, 120].map(|m| held(m, 200));
        assert!(!settled(&held(20, 30), &growing, &held(100, 30)));
        assert!(settled(&held(20, 30), &[], &held(20, 30)));
    }
}
