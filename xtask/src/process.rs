//! Running other programs, with a word on the screen before and the time after.

use anyhow::{Context, Result, bail};
use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// The root of the repository.
pub fn root() -> PathBuf {
    // Cargo's word for what it runs goes first: a clone with the same target folder may have built this.
    let built = || env!("CARGO_MANIFEST_DIR").into();
    let xtask = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(built));
    xtask.parent().map(Path::to_path_buf).unwrap_or(xtask)
}

#[expect(clippy::disallowed_methods, reason = "a tool for people: prints how long a step took")]
fn clock() -> Instant {
    Instant::now()
}

/// How long a step took.
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self(clock())
    }

    /// Since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A command whose program and arguments are given in one list. It does not learn which package cargo
/// runs here: build scripts that look at that (ring's) would build theirs anew, and all that need it.
pub fn command<S: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program);
    command.args(args);
    for name in std::env::vars_os().map(|(name, _)| name) {
        let about_us = ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|start| name.to_string_lossy().starts_with(start));
        if about_us {
            command.env_remove(name);
        }
    }
    command
}

/// Announces the step, runs the command with its output on the screen, says how it went.
///
/// # Errors
/// If the program cannot be started.
pub fn step(title: &str, command: &mut Command) -> Result<bool> {
    println!("==> {title}");
    let watch = Stopwatch::start();
    let status = command.status().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let verdict = if status.success() { "ok" } else { "FAILED" };
    println!("==> {title}: {verdict} ({:.1} s)", watch.elapsed().as_secs_f64());
    Ok(status.success())
}

/// Runs a command and returns what it printed.
///
/// # Errors
/// If the program cannot be started, fails, or prints something that is not UTF-8.
pub fn capture(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    if !output.status.success() {
        bail!("{:?} failed: {}", command.get_program(), output.status);
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Where a program is, if it is installed.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}
