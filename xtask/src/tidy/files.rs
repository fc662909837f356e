//! Names of files, manifests, and what every crate begins with.

use super::{Finding, Source};

const FORBIDDEN: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc"];

/// Crates that read what strangers send: there a slip must not become a panic.
const HOSTILE: &[&str] = &["sip", "sdp", "rtp", "api", "transport"];

const DENIED: &[&str] = &["clippy::unwrap_used", "clippy::expect_used", "clippy::panic", "clippy::indexing_slicing"];

/// A file or folder that is named after nothing in particular.
pub fn forbidden_names(paths: &[String]) -> Vec<Finding> {
    let named_so = |part: &str| FORBIDDEN.contains(&part.split('.').next().unwrap_or(part));
    let bad = paths.iter().filter(|path| path.split('/').any(named_so));
    bad.map(|path| Finding::of(path, "name the file by its one subject")).collect()
}

/// Every crate takes the lints of the workspace, `missing_docs` among them.
pub fn manifests(sources: &[Source]) -> Vec<Finding> {
    let crates = sources.iter().filter(|s| s.path.starts_with("crates/") && s.path.ends_with("/Cargo.toml"));
    let bad = crates.filter(|source| {
        let text: String = source.text.split_whitespace().collect();
        !text.contains("[lints]workspace=true")
    });
    bad.map(|source| Finding::of(&source.path, "add `[lints] workspace = true`")).collect()
}

/// Every crate says in its first lines what it is for; those that read what strangers send deny
/// the ways to panic.
pub fn crate_headers(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        let Some((name, file)) = source.path.strip_prefix("crates/").and_then(|rest| rest.split_once('/')) else {
            continue;
        };
        if !matches!(file, "src/lib.rs" | "src/main.rs") {
            continue;
        }
        if !source.text.lines().any(|line| line.starts_with("//! ")) {
            findings.push(Finding::at(&source.path, 1, "say in a //! comment what the crate is for"));
        }
        if file == "src/lib.rs" && HOSTILE.contains(&name) {
            let denied = denied_lints(&source.text);
            for lint in DENIED.iter().filter(|lint| !denied.contains(**lint)) {
                findings.push(Finding::at(&source.path, 1, format!("add {lint} to `#![deny(…)]`")));
            }
        }
    }
    findings
}

/// What stands in the crate's `#![deny(…)]` or `#![forbid(…)]`.
fn denied_lints(text: &str) -> String {
    let blocks = text.split("#![").skip(1).filter_map(|block| block.split("]").next());
    blocks.filter(|block| block.starts_with("deny(") || block.starts_with("forbid(")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.into() }
    }

    #[test]
    fn nameless_files_and_folders_fail() {
        let paths = ["crates/sip/src/util.rs", "crates/common/src/lib.rs", "docs/misc.md"].map(String::from);
        assert_eq!(forbidden_names(&paths).len(), 3);
        let paths = ["crates/sip/src/utilisation.rs", "crates/sip/src/header.rs"].map(String::from);
        assert_eq!(forbidden_names(&paths), []);
    }

    #[test]
    fn a_crate_without_the_lints_of_the_workspace_fails() {
        let good = source("crates/a/Cargo.toml", "[package]\n[lints]\nworkspace = true\n");
        let bad = source("crates/b/Cargo.toml", "[package]\n[lints.rust]\nunsafe_code = \"deny\"\n");
        let findings = manifests(&[good, bad]);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].place, "crates/b/Cargo.toml");
    }

    #[test]
    fn a_crate_without_a_first_comment_fails() {
        assert_eq!(crate_headers(&[source("crates/call/src/lib.rs", "pub mod a;\n")]).len(), 1);
        assert_eq!(crate_headers(&[source("crates/call/src/lib.rs", "//! Calls.\npub mod a;\n")]), []);
        assert_eq!(crate_headers(&[source("crates/call/src/a.rs", "")]), []);
    }

    #[test]
    fn a_crate_for_strangers_needs_the_whole_deny_block() {
        let half = "//! Parsers.\n#![deny(clippy::unwrap_used, clippy::expect_used)]\n#![cfg_attr(test, allow(clippy::panic))]\n";
        let findings = crate_headers(&[source("crates/sip/src/lib.rs", half)]);
        assert_eq!(findings.len(), 2, "{findings:?}");
        let whole = format!("//! Parsers.\n#![deny({})]\n", DENIED.join(",\n    "));
        assert_eq!(crate_headers(&[source("crates/sip/src/lib.rs", &whole)]), []);
    }
}
