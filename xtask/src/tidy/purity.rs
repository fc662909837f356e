//! Pure crates decide; whatever touches the world lives in the shells.

use super::{Finding, edges::short};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};

/// Crates that take values and time and return values.
pub const PURE: &[&str] = &["types", "sip", "sdp", "rtp", "audio", "call", "room", "routing", "exchange"];

/// What none of them may reach, however far away.
const IMPURE: &[&str] =
    &["tokio", "socket2", "mio", "rusqlite", "axum", "reqwest", "hyper", "async-std", "smol", "rustls"];

/// Walks the normal dependencies of every pure crate.
pub fn check(metadata: &Value) -> Vec<Finding> {
    let names = names(metadata);
    let graph = graph(metadata);
    let mut findings = Vec::new();
    for (id, name) in &names {
        let Some(crate_name) = short(name).filter(|name| PURE.contains(name)) else {
            continue;
        };
        for path in impure_paths(id, &graph, &names) {
            findings.push(Finding::of(crate_name, format!("a pure crate reaches an impure one: {path}")));
        }
    }
    findings
}

fn names(metadata: &Value) -> BTreeMap<&str, &str> {
    let packages = metadata["packages"].as_array();
    packages.into_iter().flatten().filter_map(|p| Some((p["id"].as_str()?, p["name"].as_str()?))).collect()
}

/// Package id → ids of its normal dependencies, as cargo resolved them.
fn graph(metadata: &Value) -> BTreeMap<&str, Vec<&str>> {
    let nodes = metadata["resolve"]["nodes"].as_array();
    nodes
        .into_iter()
        .flatten()
        .filter_map(|node| {
            let deps = node["deps"].as_array()?;
            let normal = deps.iter().filter(|dep| is_normal(dep)).filter_map(|dep| dep["pkg"].as_str());
            Some((node["id"].as_str()?, normal.collect()))
        })
        .collect()
}

fn is_normal(dep: &Value) -> bool {
    dep["dep_kinds"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
}

/// One way to each impure crate that can be reached, the shortest.
fn impure_paths(start: &str, graph: &BTreeMap<&str, Vec<&str>>, names: &BTreeMap<&str, &str>) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = vec![start];
    let mut open = VecDeque::from([vec![start]]);
    while let Some(path) = open.pop_front() {
        let last = path.last().copied().unwrap_or(start);
        for &next in graph.get(last).into_iter().flatten() {
            if seen.contains(&next) {
                continue;
            }
            seen.push(next);
            let mut longer = path.clone();
            longer.push(next);
            if names.get(next).is_some_and(|name| IMPURE.contains(name)) {
                let words: Vec<&str> = longer.iter().map(|id| names.get(id).copied().unwrap_or(id)).collect();
                found.push(words.join(" → "));
            } else {
                open.push_back(longer);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn metadata(kind: Option<&str>) -> Value {
        json!({
            "packages": [
                { "id": "1", "name": "trunkline-sip" },
                { "id": "2", "name": "between" },
                { "id": "3", "name": "tokio" },
                { "id": "4", "name": "trunkline-api" },
            ],
            "resolve": { "nodes": [
                { "id": "1", "deps": [{ "pkg": "2", "dep_kinds": [{ "kind": null }] }] },
                { "id": "2", "deps": [{ "pkg": "3", "dep_kinds": [{ "kind": kind }] }] },
                { "id": "3", "deps": [] },
                { "id": "4", "deps": [{ "pkg": "3", "dep_kinds": [{ "kind": null }] }] },
            ]},
        })
    }

    #[test]
    fn finds_an_impure_crate_behind_another() {
        let findings = check(&metadata(None));
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].text.contains("trunkline-sip → between → tokio"), "{}", findings[0]);
    }

    #[test]
    fn what_only_tests_use_does_not_count() {
        assert_eq!(check(&metadata(Some("dev"))), []);
    }

    #[test]
    fn a_shell_may_touch_the_world() {
        assert!(check(&metadata(None)).iter().all(|finding| finding.place != "api"));
    }
}
