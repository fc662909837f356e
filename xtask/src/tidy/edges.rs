//! Which crate may use which: arrows point down only.

use super::Finding;
use serde_json::Value;

/// Every crate with the crates it may use. A crate that is not listed may not exist.
pub const EDGES: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("sip", &["types"]),
    ("sdp", &["types"]),
    ("rtp", &["types"]),
    ("audio", &["types"]),
    ("call", &["sip", "sdp", "types"]),
    ("room", &["types"]),
    ("routing", &["types"]),
    ("exchange", &["call", "room", "routing", "sip", "sdp", "types"]),
    ("transport", &["sip", "types"]),
    ("media", &["rtp", "audio", "sdp", "types", "call"]),
    ("store", &["call", "routing", "types"]),
    ("api", &["exchange", "room", "routing", "types"]),
    ("cluster", &["exchange", "room", "routing", "types", "media"]),
    ("console", &["api", "store"]),
    (
        "server",
        &[
            "api",
            "console",
            "transport",
            "media",
            "store",
            "cluster",
            "exchange",
            "call",
            "room",
            "routing",
            "sip",
            "types",
        ],
    ),
    ("sim", &["exchange", "call", "room", "routing", "sip", "sdp", "rtp", "audio", "transport", "media", "types"]),
    ("cli", &["server", "sim", "types"]),
];

/// The crate's short name, if it is one of ours.
pub fn short(package: &str) -> Option<&str> {
    package.strip_prefix("trunkline-")
}

/// Compares what `cargo metadata` knows with the table. What only tests use may point anywhere
/// but up to a shell's user, which cargo itself refuses as a cycle.
pub fn check(metadata: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let Some(name) = package["name"].as_str().and_then(short) else {
            continue;
        };
        let Some((_, allowed)) = EDGES.iter().find(|(from, _)| *from == name) else {
            findings.push(Finding::of(name, "a crate that the edge table in xtask/src/tidy/edges.rs does not know"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let Some(to) = dependency["name"].as_str().and_then(short) else {
                continue;
            };
            if dependency["kind"].as_str() != Some("dev") && !allowed.contains(&to) {
                findings.push(Finding::of(
                    format!("{name} → {to}"),
                    format!("an edge that is not drawn; {name} may use: {}", list(allowed)),
                ));
            }
        }
    }
    findings
}

fn list(allowed: &[&str]) -> String {
    if allowed.is_empty() { "nothing".into() } else { allowed.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn package(name: &str, uses: &[(&str, Option<&str>)]) -> Value {
        let dependencies: Vec<Value> = uses.iter().map(|(name, kind)| json!({ "name": name, "kind": kind })).collect();
        json!({ "name": name, "dependencies": dependencies })
    }

    #[test]
    fn drawn_edges_and_foreign_crates_pass() {
        let metadata = json!({ "packages": [
            package("trunkline-call", &[("trunkline-sip", None), ("serde", None)]),
            package("trunkline-types", &[("trunkline-sim", Some("dev"))]),
            package("tokio", &[("trunkline-types", None)]),
        ]});
        assert_eq!(check(&metadata), []);
    }

    #[test]
    fn an_arrow_upwards_fails() {
        let metadata = json!({ "packages": [package("trunkline-sip", &[("trunkline-call", None)])] });
        let findings = check(&metadata);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].place, "sip → call");
    }

    #[test]
    fn an_edge_of_a_build_script_counts() {
        let metadata = json!({ "packages": [package("trunkline-room", &[("trunkline-sip", Some("build"))])] });
        assert_eq!(check(&metadata).len(), 1);
    }

    #[test]
    fn an_unknown_crate_fails() {
        let metadata = json!({ "packages": [package("trunkline-core", &[])] });
        assert_eq!(check(&metadata).len(), 1);
    }

    #[test]
    fn the_table_has_no_cycle() {
        for (from, _) in EDGES {
            let mut open: Vec<&str> = vec![from];
            let mut seen = Vec::new();
            while let Some(at) = open.pop() {
                let below = EDGES.iter().find(|(name, _)| *name == at).map_or(&[] as &[&str], |(_, to)| to);
                for next in below {
                    assert_ne!(next, from, "{from} reaches itself through {at}");
                    if !seen.contains(next) {
                        seen.push(next);
                        open.push(next);
                    }
                }
            }
        }
    }
}
