//! Rules on single lines and attributes of the sources.

use super::{
    Finding, Source,
    code::{blank, closing, line_of},
};

/// All rules on one source file.
pub fn check(source: &Source) -> Vec<Finding> {
    if source.path.ends_with(".rs") {
        let code = blank(&source.text);
        let mut findings = Vec::new();
        // A queue of a test is as long as its test.
        if !source.path.contains("/tests/") {
            findings.extend(unbounded_channels(&source.path, &code));
        }
        findings.extend(unreasoned_attributes(&source.path, &code));
        findings.extend(unfinished(&source.path, &code));
        return findings;
    }
    if source.path.ends_with(".py") { skipped_python_tests(source) } else { Vec::new() }
}

fn each(path: &str, code: &str, needle: &str, text: &str, is_bad: impl Fn(&str) -> bool) -> Vec<Finding> {
    let hits = code.match_indices(needle).filter(|(at, _)| is_bad(&code[at + needle.len()..]));
    hits.map(|(at, _)| Finding::at(path, line_of(code, at), text)).collect()
}

/// Queues that grow until the memory is gone: every channel has a bound.
fn unbounded_channels(path: &str, code: &str) -> Vec<Finding> {
    const TEXT: &str = "an unbounded channel: give it a bound";
    let mut findings = each(path, code, "unbounded_channel", TEXT, |rest| !rest.starts_with(char::is_alphanumeric));
    findings.extend(each(path, code, "channel::unbounded", TEXT, |_| true));
    findings.extend(each(path, code, "flume::unbounded", TEXT, |_| true));
    // The standard library's `channel` takes no bound; tokio's of that name does.
    findings.extend(each(path, code, "mpsc::channel", TEXT, takes_nothing));
    findings.extend(each(path, code, "sync::mpsc::{", TEXT, |rest| {
        code.contains("std::sync::mpsc") && rest.split('}').next().is_some_and(imports_channel)
    }));
    findings
}

/// Whether a call follows, perhaps behind a turbofish, that has no argument.
fn takes_nothing(rest: &str) -> bool {
    let rest = rest.trim_start();
    let rest = match rest.strip_prefix("::<") {
        Some(generic) => generic.split_once(">(").map_or("", |(_, call)| call),
        None => rest.strip_prefix('(').unwrap_or("-"),
    };
    rest.trim_start().starts_with(')')
}

fn imports_channel(list: &str) -> bool {
    list.split(',').any(|name| name.trim() == "channel")
}

/// Exceptions from a lint without the reason for them.
fn unreasoned_attributes(path: &str, code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (start, open) in attribute_starts(code) {
        let Some(end) = closing(code, open) else {
            continue;
        };
        let attribute = &code[open + 1..end];
        for kind in ["allow", "expect"] {
            let calls = attribute.match_indices(kind).filter(|(at, _)| is_call(attribute, *at, kind.len()));
            for (at, _) in calls {
                let inside = attribute[at..]
                    .find('(')
                    .and_then(|open| closing(attribute, at + open).map(|end| &attribute[at + open..end]));
                if !inside.is_some_and(|inside| inside.contains("reason =")) {
                    let text = format!("`#[{kind}(…)]` without `reason = \"…\"`");
                    findings.push(Finding::at(path, line_of(code, start), text));
                }
            }
        }
    }
    findings
}

/// Where attributes begin, and where their brackets open.
fn attribute_starts(code: &str) -> impl Iterator<Item = (usize, usize)> {
    let outer = code.match_indices("#[").map(|(at, _)| (at, at + 1));
    outer.chain(code.match_indices("#![").map(|(at, _)| (at, at + 2)))
}

fn is_call(text: &str, at: usize, length: usize) -> bool {
    let before = text[..at].chars().next_back();
    !before.is_some_and(|c| c.is_alphanumeric() || c == '_') && text[at + length..].trim_start().starts_with('(')
}

/// Holes: what is not done is not there, and no test is put aside.
fn unfinished(path: &str, code: &str) -> Vec<Finding> {
    let mut findings = each(path, code, "todo!", "unfinished code", |_| true);
    findings.extend(each(path, code, "unimplemented!", "unfinished code", |_| true));
    findings.extend(each(path, code, "#[ignore", "a test that never runs", |_| true));
    findings
}

/// The same for tests in Python.
fn skipped_python_tests(source: &Source) -> Vec<Finding> {
    let marks = ["mark.skip", "mark.xfail", "pytest.skip(", "pytest.xfail("];
    let lines = source.text.lines().enumerate();
    let bad = lines.filter(|(_, line)| marks.iter().any(|mark| line.contains(mark)));
    bad.map(|(number, _)| Finding::at(&source.path, number + 1, "a test that may not run")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let source = Source { path: "a.rs".into(), text: text.into() };
        check(&source).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn channels_without_a_bound_fail() {
        let bad = [
            "let (a, b) = tokio::sync::mpsc::unbounded_channel();",
            "let (a, b) = mpsc::channel();",
            "let (a, b) = mpsc::channel::<Vec<u8>>();",
            "let (a, b) = crossbeam_channel::unbounded();",
            "use std::sync::mpsc::{channel, Sender};",
        ];
        for line in bad {
            assert_eq!(findings(line).len(), 1, "{line}");
        }
        let test = Source { path: "crates/a/tests/b.rs".into(), text: bad[0].into() };
        assert_eq!(check(&test), []);
        let good = [
            "let (a, b) = mpsc::channel(64);",
            "let (a, b) = mpsc::channel::<Vec<u8>>(64);",
            "let (a, b) = mpsc::sync_channel(1);",
            "use tokio::sync::mpsc::{Receiver, Sender};",
            "// unbounded_channel is forbidden",
            "let a = \"unbounded_channel\";",
        ];
        for line in good {
            assert_eq!(findings(line), [] as [&str; 0], "{line}");
        }
    }

    #[test]
    fn exceptions_need_a_reason() {
        assert_eq!(findings("#[allow(dead_code)]\nfn a() {}").len(), 1);
        assert_eq!(
            findings("\n#[expect(\n    clippy::panic\n)]\nfn a() {}"),
            ["a.rs:2: `#[expect(…)]` without `reason = \"…\"`"]
        );
        assert_eq!(findings("#![cfg_attr(test, allow(clippy::panic))]").len(), 1);
        assert_eq!(findings("#[expect(clippy::panic, reason = \"b\")]\nfn a() {}"), [] as [&str; 0]);
        assert_eq!(findings("#![cfg_attr(test, allow(clippy::panic, reason = \"tests\"))]"), [] as [&str; 0]);
        assert_eq!(findings("#[derive(Debug)]\nfn expect(a: u8) { b.expect(1) }"), [] as [&str; 0]);
    }

    #[test]
    fn holes_fail() {
        assert_eq!(findings("fn a() { todo!() }").len(), 1);
        assert_eq!(findings("fn a() { unimplemented!(\"b\") }").len(), 1);
        assert_eq!(findings("#[test]\n#[ignore = \"slow\"]\nfn a() {}"), ["a.rs:2: a test that never runs"]);
        assert_eq!(findings("// todo!() is forbidden"), [] as [&str; 0]);
    }

    #[test]
    fn python_tests_may_not_be_put_aside() {
        let text = format!("@pytest.{}ip\ndef test_a(): pass\n", "mark.sk");
        assert_eq!(check(&Source { path: "a.py".into(), text }).len(), 1);
    }
}
