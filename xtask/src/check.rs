//! `cargo xtask check`: what must hold before a change is looked at.

use crate::{
    process::{command, step},
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
    let deny = setup::cargo_tool("cargo-deny")?;
    good &= step("deny", &mut command(&deny.to_string_lossy(), ["check", "bans", "licenses", "sources"]))?;
    good &= tidy::run()?;
    println!("{}", if good { "check: all in order" } else { "check: FAILED, see above" });
    Ok(good)
}
