//! Real speech from a free package.

use crate::process::{command, step};
use anyhow::Result;
use std::{fs, path::Path};

/// Where the package puts them; the first is a link that only another package makes.
const FOLDERS: &[&str] = &["/usr/share/asterisk/sounds/en", "/usr/share/asterisk/sounds/en_US_f_Allison"];
/// Announcements without music, about 50 s together.
const CLIPS: &[&str] = &["demo-congrats", "demo-echotest"];

/// What far ends say: files separated by commas, or a tone where the package is not there and
/// cannot be installed.
///
/// # Errors
/// If `apt-get` is there but cannot be started.
pub fn files(kind: &str) -> Result<String> {
    if let Some(files) = installed(kind) {
        return Ok(files);
    }
    let package = format!("asterisk-core-sounds-en-{kind}");
    let mut apt = command("apt-get", ["install", "-y", "-qq", "--no-install-recommends", &package]);
    if crate::process::find("apt-get").is_some() {
        step(&format!("install {package}"), apt.env("DEBIAN_FRONTEND", "noninteractive"))?;
    }
    Ok(installed(kind).unwrap_or_else(|| {
        println!("!!! no speech: {package} is not installed; a tone is said instead");
        "tone".into()
    }))
}

fn installed(kind: &str) -> Option<String> {
    FOLDERS.iter().find_map(|folder| {
        let paths = CLIPS.iter().map(|clip| format!("{folder}/{clip}.{kind}"));
        let found: Vec<_> = paths.filter(|path| fs::metadata(Path::new(path)).is_ok()).collect();
        (found.len() == CLIPS.len()).then(|| found.join(","))
    })
}
