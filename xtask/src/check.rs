//! `cargo xtask check`: what must hold before a change is looked at.

use crate::{
    process::{command, root, step},
    setup, tidy,
};
use anyhow::Result;

/// Runs every check, also behind one that failed, so that one run names all that is wrong.
///
/// # Errors
/// If a program cannot be started.
pub fn run() -> Result<bool> {
    let mut good = step("fmt", &mut command("cargo", ["fmt", "--all", "--check"]))?;
    good &= step(
        "clippy",
        &mut command("cargo", ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]),
    )?;
    // A workspace of its own, which nothing else builds.
    let folder = root().join("target/fuzz-check");
    let fuzz = ["check", "--quiet", "--manifest-path", "fuzz/Cargo.toml", "--target-dir", &folder.to_string_lossy()];
    good &= step("fuzz targets", &mut command("cargo", fuzz))?;
    let deny = setup::cargo_tool("cargo-deny")?;
    good &= step("deny", &mut command(&deny.to_string_lossy(), ["check", "bans", "licenses", "sources"]))?;
    good &= tidy::run()?;
    println!("{}", if good { "check: all in order" } else { "check: FAILED, see above" });
    Ok(good)
}
