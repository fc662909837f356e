//! The one entry for checks, tests, benches and fuzzing: `cargo xtask <command>`.

mod bench;
mod check;
mod fuzz;
mod process;
mod setup;
mod soak;
mod test;
mod tidy;

use anyhow::{Result, bail};
use std::process::ExitCode;

const USAGE: &str = "cargo xtask check                         fmt, clippy, cargo deny, tidy
cargo xtask tidy                          the rules of the house
cargo xtask test                          everything but the long runs; sets up what it needs
cargo xtask bench signalling              calls per second, set-up latency, memory per dialog
cargo xtask bench agents                  from a room's creation until a worker is asked
cargo xtask bench media [--quick] [--rounds COUNT] [--quality] [--only-quality] [--tone SECONDS]
                                          calls per core, memory per call, set-up, delay; PESQ
cargo xtask soak [--minutes N]            50 rooms for an hour, and what is left then
cargo xtask fuzz [TARGET] [--seconds N]   one target or all, 60 seconds each by default";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// `Ok(false)` means: it ran, and what it looked at is not in order.
fn run() -> Result<bool> {
    std::env::set_current_dir(process::root())?;
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["check"] => check::run(),
        ["tidy"] => tidy::run(),
        ["test"] => test::run(),
        ["bench", "signalling"] => bench::signalling(),
        ["bench", "agents"] => bench::agents(),
        ["bench", "media", rest @ ..] => bench::media(bench::Options::read(rest)?),
        ["soak"] => soak::run(60),
        ["soak", "--minutes", minutes] => soak::run(minutes.parse()?),
        ["fuzz", rest @ ..] => fuzz::run(rest),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(true)
        }
        [] => bail!("which command?\n{USAGE}"),
        other => bail!("unknown command `{}`\n{USAGE}", other.join(" ")),
    }
}
