//! What the bridge does to speech, against the codecs alone; and to a tone.

use super::{
    Server,
    aims::Aims,
    figures::number,
    pairs::{Pairs, is_good, report},
    speech,
};
use crate::process::{capture, command, root, step};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

/// Percent of the packets towards the phone that are lost in the run with losses.
const LOSS: &str = "3";
/// Seconds that recordings are longer than twice their clip.
const MORE: u64 = 6;
/// The one-way trip may cost so much PESQ, and so much with losses.
const BARS: (f64, f64) = (0.08, 0.25);

/// The Python that measures, made when it is missing.
fn python() -> Result<PathBuf> {
    let venv = root().join("target/quality/venv");
    let python = venv.join("bin/python");
    let (pins, stamp) = (root().join("tests/quality/requirements.txt"), venv.join("installed.txt"));
    if python.is_file() && fs::read(&stamp).ok() == Some(fs::read(&pins)?) {
        return Ok(python);
    }
    let (folder, pins_path) = (venv.to_string_lossy().into_owned(), pins.to_string_lossy().into_owned());
    if !step("python3 -m venv", &mut command("python3", ["-m", "venv", &folder]))? {
        bail!("no Python environment; as root: apt-get install -y python3-venv gcc python3-dev");
    }
    let arguments = ["-m", "pip", "install", "-q", "-r", &pins_path];
    if !step("pip install", &mut command(&python.to_string_lossy(), arguments))? {
        bail!("pesq could not be built; as root: apt-get install -y gcc python3-dev");
    }
    fs::copy(&pins, &stamp)?;
    Ok(python)
}

/// Runs a measuring script; one report per line.
fn measured(python: &Path, script: &str, files: &[&Path]) -> Result<Vec<Value>> {
    let mut run = command(&python.to_string_lossy(), [&format!("tests/quality/{script}")]);
    let text = capture(run.args(files))?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// A pair that records, in its own rooms.
fn recording(server: &Server, folder: &Path, pairs: &Pairs, more: &[&str]) -> Result<Child> {
    fs::create_dir_all(folder)?;
    let seconds = pairs.interval as u64;
    let mut run = pairs.command(server, seconds);
    run.args(["--measure", "sound", "--record", &folder.to_string_lossy()]).args(more);
    Ok(run.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?)
}

/// PESQ both ways, and with losses; and of a server that encodes as one does that is short of time.
///
/// # Errors
/// If something that measures cannot be had, or a recording is missing.
pub fn measure(server: &Server, sparing: &Server, folder: &Path, aims: &mut Aims) -> Result<bool> {
    let python = python()?;
    let speech = speech::files("wav")?;
    let clip = folder.join("clip.wav");
    let mut offline = Vec::new();
    for way in ["to-room", "to-phone"] {
        let out = folder.join(format!("{way}.wav"));
        let (clip, path) = (clip.to_string_lossy(), out.to_string_lossy());
        let words = ["sim", "offline", "--speech", &speech, "--direction", way, "--clip", &clip, "--out", &path];
        capture(&mut server.client(&words))?;
        offline.push(out);
    }
    let length = fs::metadata(&clip)?.len() / 16_000;
    println!("\nPESQ-NB on {length} s of speech, segments of 9 s, mean (least); takes {} s", length * 2 + MORE);
    let pairs = Pairs {
        count: 1,
        rate: 1.0,
        interval: (length * 2 + MORE) as f64,
        digits: "+1666",
        speech,
        talk_percent: 100,
        more: Vec::new(),
    };
    let (whole, lossy, spared) = (folder.join("whole"), folder.join("lossy"), folder.join("spared"));
    let runs = [
        recording(server, &whole, &pairs, &[])?,
        recording(server, &lossy, &Pairs { digits: "+1667", ..pairs.clone() }, &["--loss-percent", LOSS])?,
        recording(sparing, &spared, &pairs, &[])?,
    ];
    let mut good = true;
    for run in runs {
        good &= is_good(&report(&run.wait_with_output()?.stdout)?);
    }
    let heard = [whole.join("room.wav"), spared.join("room.wav"), whole.join("phone.wav"), lossy.join("phone.wav")];
    let files: Vec<&Path> = offline.iter().chain(&heard).map(PathBuf::as_path).collect();
    let all: Vec<&Path> = std::iter::once(clip.as_path()).chain(files).collect();
    let scores = measured(&python, "pesq_of.py", &all)?;
    let [to_room, to_phone, room, spared, phone, lost] = scores.as_slice() else { bail!("a recording was not judged") };
    let mut line = |what: &str, alone: &Value, bridged: &Value, bar: f64| {
        let (alone_mean, mean) = (number(alone, "mean"), number(bridged, "mean"));
        println!(
            "  {what:<28} codecs alone {alone_mean:.2} ({:.2})   bridge {mean:.2} ({:.2})   difference {:+.2}",
            number(alone, "least"),
            number(bridged, "least"),
            mean - alone_mean,
        );
        aims.at_most(&format!("PESQ-NB lost, {what}"), bar, alone_mean - mean);
    };
    line("phone → room", to_room, room, BARS.0);
    line("phone → room, complexity 0", to_room, spared, BARS.0);
    line("room → phone", to_phone, phone, BARS.0);
    line(&format!("room → phone, {LOSS}% loss, FEC"), to_phone, lost, BARS.1);
    Ok(good)
}

/// A tone of 1 kHz both ways for so many seconds: gaps, clicks, drift.
///
/// # Errors
/// If something that measures cannot be had, or a recording is missing.
pub fn tone(server: &Server, folder: &Path, seconds: u64) -> Result<bool> {
    let python = python()?;
    println!("\nA tone of 1 kHz both ways for {seconds} s");
    let pairs = Pairs {
        count: 1,
        rate: 1.0,
        interval: seconds as f64,
        digits: "+1668",
        speech: "tone".into(),
        talk_percent: 100,
        more: Vec::new(),
    };
    let folder = folder.join("tone");
    let run = recording(server, &folder, &pairs, &[])?;
    let report = report(&run.wait_with_output()?.stdout)?;
    println!(
        "  sent by the far ends themselves 10 ms late or more: phone {} of {} (at most {} ms), participant {} of {} (at most {} ms)",
        report["callers"]["sent_late"],
        report["callers"]["sent"],
        report["callers"]["latest_ms"],
        report["participants"]["sent_late"],
        report["participants"]["sent"],
        report["participants"]["latest_ms"],
    );
    for (what, file) in [("phone → room", "room.wav"), ("room → phone", "phone.wav")] {
        let path = folder.join(file);
        let found = measured(&python, "tone_of.py", &[&path])?;
        let found = found.first().context("the tone was not judged")?;
        println!("  {what}: {found}");
    }
    Ok(is_good(&report))
}
