//! What a fresh machine lacks: cargo tools, Debian packages, Python and Node environments.

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
    Needed { program: "chromium", packages: &["chromium"] },
    Needed { program: "node", packages: &["nodejs"] },
    Needed { program: "npm", packages: &["npm"] },
    Needed { program: "openssl", packages: &["openssl"] },
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

/// A Python environment of the interop tests.
struct Environment {
    /// Its folder below `target/interop`.
    folder: &'static str,
    /// The file with its pins.
    pins: &'static str,
}

/// The environment that runs the tests. `livekit-agents` pins its LiveKit SDK.
const TESTS: Environment = Environment { folder: "venv", pins: "tests/interop/requirements.txt" };
/// The newest LiveKit SDK cannot live in the same environment.
const NEWEST: Environment = Environment { folder: "venv-newest", pins: "tests/interop/requirements-newest.txt" };
/// Agents' workers run in processes of their own.
const AGENTS: Environment = Environment { folder: "venv-agents", pins: "tests/interop/requirements-agents.txt" };
/// Where Node's packages are pinned, and the folders below `target/interop` they go into.
const NODE: [(&str, &str); 2] = [("tests/interop/node", "node"), ("tests/interop/agents", "node-agents")];

/// Installs what the interop tests import, again when the pins change, and returns the Python that
/// runs them. What the tests of one other client lack is named on the screen; those tests fail by
/// themselves.
///
/// # Errors
/// If the Python that runs the tests, or its packages, cannot be had.
pub fn clients() -> Result<PathBuf> {
    let python = TESTS.install()?;
    if let Err(error) = NEWEST.install() {
        println!("!!! the tests with the newest Python SDK will FAIL: {error:#}");
    }
    if let Err(error) = AGENTS.install() {
        println!("!!! the tests with agents will FAIL: {error:#}");
    }
    for (pins, folder) in NODE {
        if let Err(error) = node_packages(pins, folder) {
            println!("!!! the tests with {pins} will FAIL: {error:#}");
        }
    }
    Ok(python)
}

impl Environment {
    /// Makes it if it is not there as pinned; returns its Python.
    fn install(&self) -> Result<PathBuf> {
        let venv = root().join("target/interop").join(self.folder);
        let python = venv.join("bin/python");
        let pins = std::fs::read_to_string(root().join(self.pins))?;
        let stamp = venv.join("installed.txt");
        if python.is_file() && installed(&stamp, &pins) {
            return Ok(python);
        }
        if find("python3").is_none() {
            bail!("python3 is missing; as root: apt-get install -y python3 python3-venv");
        }
        let mut make = command("python3", ["-m", "venv"]);
        if !python.is_file() && !step(&format!("python environment {}", self.folder), make.arg(&venv))? {
            bail!("no Python environment; as root: apt-get install -y python3-venv");
        }
        let mut pip = command(
            &python.to_string_lossy(),
            ["-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", self.pins],
        );
        if !step(&format!("python packages of {}", self.pins), &mut pip)? {
            bail!("the Python packages could not be installed from PyPI");
        }
        std::fs::write(&stamp, pins)?;
        Ok(python)
    }
}

/// Node's packages in a folder below `target/interop`, as pinned in a lock file.
fn node_packages(pins: &str, folder: &str) -> Result<()> {
    let (pinned, folder) = (root().join(pins), root().join("target/interop").join(folder));
    let lock = std::fs::read_to_string(pinned.join("package-lock.json"))?;
    let stamp = folder.join("installed.json");
    if folder.join("node_modules").is_dir() && installed(&stamp, &lock) {
        return Ok(());
    }
    if find("npm").is_none() {
        bail!("npm is missing; as root: apt-get install -y nodejs npm");
    }
    std::fs::create_dir_all(&folder)?;
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(pinned.join(file), folder.join(file))?;
    }
    let mut npm = command("npm", ["ci", "--no-audit", "--no-fund"]);
    if !step(&format!("node packages of {pins}"), npm.current_dir(&folder))? {
        bail!("the Node packages could not be installed from npm");
    }
    std::fs::write(&stamp, lock)?;
    Ok(())
}

/// Whether what the stamp says is what is wanted.
fn installed(stamp: &Path, wanted: &str) -> bool {
    std::fs::read_to_string(stamp).is_ok_and(|old| old == wanted)
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

    #[test]
    fn every_pin_is_exact() {
        for environment in [&TESTS, &NEWEST, &AGENTS] {
            let pins = std::fs::read_to_string(root().join(environment.pins)).unwrap();
            let lines = pins.lines().filter(|line| !line.starts_with('#'));
            let loose: Vec<&str> = lines.filter(|line| !line.contains("==")).collect();
            assert!(loose.is_empty(), "{}: {loose:?}", environment.pins);
        }
    }
}
