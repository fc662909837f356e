//! `cargo xtask bench`: the release binary under load, on loopback.

mod agents;
mod aims;
mod conditions;
mod cost;
mod cpu;
mod delay;
mod figures;
mod floor;
mod media;
mod options;
pub mod pairs;
mod quality;
mod run;
mod server;
mod set_up;
mod signalling;
pub mod speech;
mod stages;

pub use agents::agents;
pub use conditions::machine;
pub use cpu::{Resident, Usage};
pub use figures::number;
pub use media::media;
pub use options::Options;
pub use pairs::Pairs;
pub use server::Server;
pub use signalling::signalling;

use crate::process::{command, root, step};
use anyhow::Result;
use std::{fs, path::PathBuf};

/// Builds the release binary, unless `TRUNKLINE_BINARY` names another one; whether that went well.
///
/// # Errors
/// If cargo cannot be started.
pub fn build() -> Result<bool> {
    if std::env::var_os("TRUNKLINE_BINARY").is_some() {
        println!("measuring {}", server::binary().display());
        return Ok(true);
    }
    step("build --release", &mut command("cargo", ["build", "--release", "--package", "trunkline-cli"]))
}

/// Lets something measure in a folder of its own, which is removed afterwards.
///
/// # Errors
/// If the folder cannot be made or removed, and those of what measures.
pub fn in_folder<T>(measure: impl FnOnce(PathBuf) -> Result<T>) -> Result<T> {
    let folder = root().join(format!("target/bench/{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let result = measure(folder.clone());
    fs::remove_dir_all(&folder)?;
    result
}
