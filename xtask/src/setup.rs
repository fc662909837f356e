//! What a fresh machine lacks: cargo tools, Debian packages, a Python environment.

use crate::process::{command, find, root, step};
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};

/// A cargo tool that is installed, or else one built into `target/tools`.
///
/// # Errors
/// If it cannot be built.
pub fn cargo_tool(name: &str) -> Result<PathBuf> {
    if let Some(path) = find(name) {
        return Ok(path);
    }
    let tools = root().join("target/tools");
    let path = tools.join("bin").join(name);
    if path.is_file() {
        return Ok(path);
    }
    println!("{name} is not installed: building it once into target/tools, which takes some minutes");
    let mut install = command("cargo", ["install", name, "--locked", "--root"]);
    install.arg(&tools);
    if !step(&format!("install {name}"), &mut install)? {
        bail!("{name} could not be built; install it by hand: cargo install {name} --locked");
    }
    Ok(path)
}

/// A program of the interop tests and the Debian packages that may carry it.
pub struct Needed {
    /// The program.
    pub program: &'static str,
    /// Names of its package, in the order to try.
    pub packages: &'static [&'static str],
}

/// What the interop tests call.
pub const NEEDED: &[Needed] = &[
    Needed { program: "sipp", packages: &["sipp", "sip-tester"] },
    Needed { program: "kamailio", packages: &["kamailio"] },
];

/// What stands between the tests and a missing program: a text for people.
pub fn cure(missing: &Needed) -> String {
    format!(
        "{} is missing and the tests that need it will FAIL; as root: apt-get update && apt-get install -y {}",
        missing.program,
        missing.packages.join(" (or ") + if missing.packages.len() > 1 { ")" } else { "" }
    )
}

/// Installs the missing programs if that is allowed here. Those that stay missing are named on the
/// screen; the tests that need them fail by themselves.
///
/// # Errors
/// If `apt-get` is there but cannot be started.
pub fn programs() -> Result<()> {
    let missing: Vec<&Needed> = NEEDED.iter().filter(|needed| find(needed.program).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if is_root() && find("apt-get").is_some() {
        step("apt-get update", apt().args(["update", "-qq"]))?;
        for needed in &missing {
            for package in needed.packages {
                if step(&format!("install {package}"), apt().args(["install", "-y", "-qq", package]))? {
                    break;
                }
            }
        }
    }
    for needed in missing.iter().filter(|needed| find(needed.program).is_none()) {
        println!("!!! {}", cure(needed));
    }
    Ok(())
}

fn apt() -> std::process::Command {
    let mut apt = command("apt-get", [] as [&str; 0]);
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    apt
}

fn is_root() -> bool {
    crate::process::capture(&mut command("id", ["-u"])).is_ok_and(|id| id.trim() == "0")
}

/// The Python of an environment with the pinned packages of the interop tests; made again when the
/// pins change.
///
/// # Errors
/// If Python is missing or the packages cannot be had.
pub fn python() -> Result<PathBuf> {
    let venv = root().join("target/interop/venv");
    let python = venv.join("bin/python");
    let pins = std::fs::read_to_string(root().join("tests/interop/requirements.txt"))?;
    let stamp = root().join("target/interop/requirements.installed");
    if python.is_file() && std::fs::read_to_string(&stamp).is_ok_and(|old| old == pins) {
        return Ok(python);
    }
    if find("python3").is_none() {
        bail!("python3 is missing; as root: apt-get install -y python3 python3-venv");
    }
    let mut make = command("python3", ["-m", "venv"]);
    if !python.is_file() && !step("python environment", make.arg(&venv))? {
        bail!("no Python environment; as root: apt-get install -y python3-venv");
    }
    install(&python)?;
    std::fs::write(&stamp, pins)?;
    Ok(python)
}

fn install(python: &Path) -> Result<()> {
    let mut pip = command(
        &python.to_string_lossy(),
        ["-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", "tests/interop/requirements.txt"],
    );
    if !step("python packages of tests/interop/requirements.txt", &mut pip)? {
        bail!("the Python packages could not be installed from PyPI");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cure_names_every_package() {
        let text = cure(&NEEDED[0]);
        assert!(text.contains("sipp (or sip-tester)"), "{text}");
        assert!(cure(&NEEDED[1]).ends_with("kamailio"));
    }
}
