//! The ten longest files and functions: printed, judged by eye.

use super::{
    Source,
    code::{blank, closing, line_of},
};
use std::fmt::Write as _;

const SHOWN: usize = 10;

/// The report.
pub fn longest(sources: &[Source]) -> String {
    let rust = || sources.iter().filter(|source| source.path.ends_with(".rs"));
    let files = rust().map(|source| (source.text.lines().count(), source.path.clone())).collect();
    let functions = rust().flat_map(functions).collect();
    let mut text = String::new();
    for (title, entries) in [("longest files", files), ("longest functions", functions)] {
        let _ = writeln!(text, "{title} (lines)");
        for (lines, name) in top(entries) {
            let _ = writeln!(text, "{lines:6}  {name}");
        }
    }
    text
}

fn top(mut entries: Vec<(usize, String)>) -> Vec<(usize, String)> {
    entries.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    entries.truncate(SHOWN);
    entries
}

/// Length and place of each function of a file.
fn functions(source: &Source) -> Vec<(usize, String)> {
    let code = blank(&source.text);
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        if code[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + 3..];
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let Some(open) = rest.find(['{', ';']).filter(|open| rest[*open..].starts_with('{')) else {
            continue;
        };
        let Some(end) = closing(&code, at + 3 + open).filter(|_| !name.is_empty()) else {
            continue;
        };
        let first = line_of(&code, at);
        found.push((line_of(&code, end) - first + 1, format!("{}:{first} {name}", source.path)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_functions_and_sorts_them() {
        let text =
            "trait A { fn none(&self); }\nfn short() {}\nfn long() {\n    // {\n    let a = \"}\";\n}\n".to_owned();
        let report = longest(&[Source { path: "a.rs".into(), text }]);
        let lines: Vec<&str> = report.lines().map(str::trim).collect();
        assert_eq!(
            lines,
            ["longest files (lines)", "6  a.rs", "longest functions (lines)", "4  a.rs:3 long", "1  a.rs:2 short"]
        );
    }

    #[test]
    fn shows_ten() {
        let entries = (0..20).map(|lines| (lines, lines.to_string())).collect();
        let top = top(entries);
        assert_eq!(top.len(), SHOWN);
        assert_eq!(top[0].0, 19);
    }
}
