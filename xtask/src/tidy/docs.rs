//! Links in the documents, and places that exist on one machine only.

use super::{Finding, Source};
use std::path::{Component, Path, PathBuf};

/// Relative links in Markdown whose target is not there. `exists` is asked with paths from the
/// root.
pub fn dead_links(sources: &[Source], exists: &dyn Fn(&Path) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.path.ends_with(".md")) {
        let folder = Path::new(&source.path).parent().unwrap_or(Path::new(""));
        let mut fenced = false;
        for (number, line) in source.text.lines().enumerate() {
            fenced ^= line.trim_start().starts_with("```");
            if fenced {
                continue;
            }
            for link in links(line) {
                let file = link.split('#').next().unwrap_or_default();
                if !file.is_empty() && !plain(&folder.join(file)).is_some_and(|path| exists(&path)) {
                    findings.push(Finding::at(&source.path, number + 1, format!("dead link: {link}")));
                }
            }
        }
    }
    findings
}

/// The targets of a line's links, those to the web left out.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
}

/// The path without `.` and `..`; `None` if it leaves the repository.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                if !plain.pop() {
                    return None;
                }
            }
            Component::Normal(name) => plain.push(name),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(plain)
}

/// Folders that are somebody's own.
const OWN: [&str; 3] = ["work", "home", "root"];

/// Absolute paths into somebody's own folders.
pub fn machine_paths(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        for (number, line) in source.text.lines().enumerate() {
            if let Some(path) = machine_path(line) {
                findings.push(Finding::at(&source.path, number + 1, format!("a path of one machine: {path}")));
            }
        }
    }
    findings
}

fn machine_path(line: &str) -> Option<&str> {
    for (at, _) in line.match_indices('/') {
        // Behind a letter, a dot or another slash it is part of a longer path or an address.
        let inside = line[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || "./_-}>*~".contains(c));
        let rest = &line[at + 1..];
        let word = rest.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-' || c == '.')).next();
        if !inside && word.is_some_and(|word| OWN.contains(&word)) && rest[word.map_or(0, str::len)..].starts_with('/')
        {
            return line[at..].split(|c: char| c.is_whitespace() || "\"'`)>,;".contains(c)).next();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: impl Into<String>) -> Source {
        Source { path: path.into(), text: text.into() }
    }

    #[test]
    fn finds_dead_links_and_follows_good_ones() {
        let text = "[a](b.md) [c](../d.md#e) [f](#g) [h](https://example.com/i) [j](../../k.md)\n```\n[l](m.md)\n```\n";
        let exists = |path: &Path| path == Path::new("docs/b.md");
        let findings = dead_links(&[source("docs/x.md", text)], &exists);
        let texts: Vec<&str> = findings.iter().map(|finding| finding.text.as_str()).collect();
        assert_eq!(texts, ["dead link: ../d.md#e", "dead link: ../../k.md"]);
        assert_eq!(findings[0].place, "docs/x.md:1");
    }

    #[test]
    fn finds_paths_of_one_machine() {
        for folder in OWN {
            let text = format!("see `/{folder}/me/file` there\n");
            let findings = machine_paths(&[source("a.rs", text)]);
            assert_eq!(findings.len(), 1, "{folder}");
            assert!(findings[0].text.ends_with(&format!("/{folder}/me/file")), "{}", findings[0]);
        }
    }

    #[test]
    fn leaves_addresses_and_longer_paths_alone() {
        let lines = ["https://example.com/home/x", "crates/work/src", "/homestead/x", "a /rooted/ b", "sip/root/x"];
        for line in lines {
            assert_eq!(machine_paths(&[source("a.md", line)]), [], "{line}");
        }
    }
}
