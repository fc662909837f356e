//! `cargo xtask tidy`: the rules of the house. Each rule is a function of its input alone, so each
//! has a test on made-up input.

mod code;
mod docs;
mod edges;
mod files;
mod purity;
mod report;
mod rules;

use crate::process::{capture, command, root};
use anyhow::{Context, Result};
use std::fmt;

/// A rule that is broken somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where: a file with a line, or a crate.
    pub place: String,
    /// What is wrong and what to do about it.
    pub text: String,
}

impl Finding {
    fn at(file: &str, line: usize, text: impl Into<String>) -> Self {
        Self { place: format!("{file}:{line}"), text: text.into() }
    }

    fn of(place: impl Into<String>, text: impl Into<String>) -> Self {
        Self { place: place.into(), text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.place, self.text)
    }
}

/// A tracked text file.
pub struct Source {
    /// Its path from the root, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Checks the repository.
///
/// # Errors
/// If git or cargo cannot tell what there is.
pub fn run() -> Result<bool> {
    println!("==> tidy");
    let paths = tracked()?;
    let sources = read(&paths);
    let metadata = metadata()?;
    let mut findings = edges::check(&metadata);
    findings.extend(purity::check(&metadata));
    findings.extend(files::forbidden_names(&paths));
    findings.extend(docs::dead_links(&sources, &|path| root().join(path).exists()));
    findings.extend(docs::machine_paths(&sources));
    findings.extend(files::manifests(&sources));
    findings.extend(files::crate_headers(&sources));
    for source in &sources {
        findings.extend(rules::check(source));
    }
    print!("{}", report::longest(&sources));
    for finding in &findings {
        println!("{finding}");
    }
    println!(
        "==> tidy: {}",
        if findings.is_empty() { "ok".into() } else { format!("FAILED, {} findings", findings.len()) }
    );
    Ok(findings.is_empty())
}

/// Files that git tracks, and those it would track.
fn tracked() -> Result<Vec<String>> {
    let list = capture(&mut command(
        "git",
        ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"],
    ))?;
    Ok(list.split('\0').filter(|path| root().join(path).is_file()).map(str::to_owned).collect())
}

/// Those of the files that are text.
fn read(paths: &[String]) -> Vec<Source> {
    paths
        .iter()
        .filter_map(|path| {
            let text = std::fs::read_to_string(root().join(path)).ok()?;
            Some(Source { path: path.clone(), text })
        })
        .collect()
}

fn metadata() -> Result<serde_json::Value> {
    let text = capture(&mut command("cargo", ["metadata", "--format-version", "1", "--locked"]))?;
    serde_json::from_str(&text).context("cargo metadata printed something else than JSON")
}
