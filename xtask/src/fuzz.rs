//! `cargo xtask fuzz`: libFuzzer on one target or on all, for a bounded time each.

use crate::{
    process::{command, root, step},
    setup,
};
use anyhow::{Context, Result, bail};

/// What was asked for on the command line.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    target: Option<String>,
    seconds: u64,
}

fn parse(args: &[&str]) -> Result<Request> {
    let mut request = Request { target: None, seconds: 60 };
    let mut rest = args.iter();
    while let Some(&arg) = rest.next() {
        match arg {
            "--seconds" => {
                let value = rest.next().context("--seconds needs a number")?;
                request.seconds = value.parse().with_context(|| format!("--seconds {value}: not a number"))?;
            }
            flag if flag.starts_with('-') => bail!("unknown option {flag}"),
            name if request.target.is_none() => request.target = Some(name.to_owned()),
            other => bail!("one target at a time: {other}"),
        }
    }
    Ok(request)
}

/// The targets, by the names of their files.
fn targets() -> Result<Vec<String>> {
    let mut names: Vec<String> = std::fs::read_dir(root().join("fuzz/fuzz_targets"))?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".rs").map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}

/// Runs the targets one after the other.
///
/// # Errors
/// For an unknown target or option, or if cargo-fuzz cannot be had.
pub fn run(args: &[&str]) -> Result<bool> {
    let request = parse(args)?;
    let all = targets()?;
    let chosen = match request.target {
        Some(name) if all.contains(&name) => vec![name],
        Some(name) => bail!("no fuzz target {name}; there are: {}", all.join(", ")),
        None => all,
    };
    let cargo_fuzz = setup::cargo_tool("cargo-fuzz")?;
    let mut good = true;
    for target in chosen {
        // libFuzzer writes what it finds into the first folder; the seeds stay as they are.
        let found = root().join("target/fuzz-corpus").join(&target);
        std::fs::create_dir_all(&found)?;
        let mut fuzz = command(&cargo_fuzz.to_string_lossy(), ["fuzz", "run", &target]);
        fuzz.arg(&found)
            .arg(root().join("fuzz/corpus").join(&target))
            .arg("--")
            .arg(format!("-max_total_time={}", request.seconds))
            .args(["-rss_limit_mb=512", "-timeout=5", "-print_final_stats=1"])
            // Freed memory that the sanitizer keeps back is not the target's.
            .env("ASAN_OPTIONS", "quarantine_size_mb=32")
            .env("RUSTUP_TOOLCHAIN", "nightly")
            .env_remove("CARGO");
        good &= step(&format!("fuzz {target} for {} s", request.seconds), &mut fuzz)?;
    }
    Ok(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_target_and_seconds_in_any_order() -> Result<()> {
        let expected = Request { target: Some("sip_bytes".into()), seconds: 600 };
        assert_eq!(parse(&["sip_bytes", "--seconds", "600"])?, expected);
        assert_eq!(parse(&["--seconds", "600", "sip_bytes"])?, expected);
        assert_eq!(parse(&[])?, Request { target: None, seconds: 60 });
        assert!(parse(&["--seconds"]).is_err());
        assert!(parse(&["--seconds", "ten"]).is_err());
        assert!(parse(&["a", "b"]).is_err());
        assert!(parse(&["--fast"]).is_err());
        Ok(())
    }

    #[test]
    fn every_target_has_seeds() -> Result<()> {
        for target in targets()? {
            let folder = root().join("fuzz/corpus").join(&target);
            let seeds = std::fs::read_dir(&folder).with_context(|| format!("{target} has no corpus"))?.count();
            assert!(seeds > 0, "{target} has no seed");
        }
        Ok(())
    }
}
