//! `cargo xtask test`: Rust tests, then the real binary against the official clients, sipp and
//! Kamailio.

use crate::{
    process::{Stopwatch, command, root, step},
    setup,
};
use anyhow::{Context, Result};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
};

/// How many tests went which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
}

impl Tally {
    const ONE_FAILURE: Self = Self { passed: 0, failed: 1 };

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Sets up, runs all tests and prints one summary line at the end.
///
/// # Errors
/// If a program cannot be started.
pub fn run() -> Result<bool> {
    let watch = Stopwatch::start();
    let mut sum = Tally::default();
    setup::programs()?;
    sum.add(rust_tests()?);
    sum.add(interop()?);
    println!("took {:.0} s", watch.elapsed().as_secs_f64());
    println!("{} passed, {} failed", sum.passed, sum.failed);
    Ok(sum.failed == 0 && sum.passed > 0)
}

/// Runs the Rust tests, showing their output as it comes.
fn rust_tests() -> Result<Tally> {
    println!("==> cargo test --workspace (the first build of the dependencies takes minutes)");
    let mut child = command("cargo", ["test", "--workspace", "--no-fail-fast"])
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start cargo")?;
    let mut sum = Tally::default();
    if let Some(out) = child.stdout.take() {
        for line in BufReader::new(out).lines() {
            let line = line?;
            if let Some(tally) = rust_result(&line) {
                sum.add(tally);
            }
            println!("{line}");
        }
    }
    if !child.wait()?.success() && sum.failed == 0 {
        println!("!!! cargo test failed before or beside its tests, see above");
        sum.add(Tally::ONE_FAILURE);
    }
    println!("==> Rust: {} passed, {} failed", sum.passed, sum.failed);
    Ok(sum)
}

/// The figures of a line `test result: ok. 3 passed; 0 failed; …`.
fn rust_result(line: &str) -> Option<Tally> {
    let rest = line.strip_prefix("test result: ")?;
    let number =
        |word: &str| rest.split(['.', ';']).find_map(|part| part.trim().strip_suffix(word)?.trim().parse::<u64>().ok());
    // An ignored test proves nothing; it is not silently counted as good.
    let ignored = number("ignored").unwrap_or(0);
    Some(Tally { passed: number("passed")?, failed: number("failed")? + ignored })
}

/// Builds the binary and runs the tests under `tests/interop` against it.
fn interop() -> Result<Tally> {
    if !step("build trunkline", &mut command("cargo", ["build", "--package", "trunkline-cli"]))? {
        return Ok(Tally::ONE_FAILURE);
    }
    let python = match setup::clients() {
        Ok(python) => python,
        Err(error) => {
            println!("!!! interop tests cannot run: {error:#}");
            return Ok(Tally::ONE_FAILURE);
        }
    };
    let report = root().join("target/interop/report.xml");
    let _ = std::fs::remove_file(&report);
    let mut pytest = command(&python.to_string_lossy(), ["-m", "pytest", "-v", "--tb=short", "tests/interop"]);
    pytest
        .arg(format!("--junit-xml={}", report.display()))
        .env("TRUNKLINE_BIN", root().join("target/debug/trunkline"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let good = step("interop tests", &mut pytest)?;
    let tally = read_report(&report);
    Ok(if !good && tally.failed == 0 { Tally { failed: 1, ..tally } } else { tally })
}

fn read_report(report: &Path) -> Tally {
    std::fs::read_to_string(report).ok().and_then(|text| junit_result(&text)).unwrap_or(Tally::ONE_FAILURE)
}

/// The figures of pytest's JUnit report. A skipped test counts as failed: nothing may be left out
/// in silence.
fn junit_result(text: &str) -> Option<Tally> {
    let suite = text.split("<testsuite ").nth(1)?.split('>').next()?;
    let number = |name: &str| {
        suite
            .split_whitespace()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix("=\"")?.split('"').next()?.parse::<u64>().ok())
    };
    let failed = number("failures")? + number("errors")? + number("skipped")?;
    Some(Tally { passed: number("tests")?.saturating_sub(failed), failed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_result_line_of_cargo_test() {
        let line = "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.02s";
        assert_eq!(rust_result(line), Some(Tally { passed: 12, failed: 0 }));
        let line = "test result: FAILED. 7 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out";
        assert_eq!(rust_result(line), Some(Tally { passed: 7, failed: 3 }));
        assert_eq!(rust_result("running 3 tests"), None);
    }

    #[test]
    fn reads_the_report_of_pytest_and_counts_skips_as_failures() {
        let text = r#"<?xml version="1.0"?><testsuites name="pytest tests"><testsuite name="pytest" errors="1" failures="2" skipped="1" tests="11" time="3.1"><testcase/></testsuite></testsuites>"#;
        assert_eq!(junit_result(text), Some(Tally { passed: 7, failed: 4 }));
        assert_eq!(junit_result("nothing"), None);
    }

    #[test]
    fn a_missing_report_is_a_failure() {
        assert_eq!(read_report(Path::new("/nonexistent/report.xml")), Tally::ONE_FAILURE);
    }
}
