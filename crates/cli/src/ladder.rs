//! The SIP ladder of a call in the terminal.

use serde_json::Value;

/// Draws the entries of `GetLadder`.
pub(crate) fn draw(entries: &[Value]) -> String {
    let begin = entries.iter().filter_map(|e| e["at_us"].as_i64()).min().unwrap_or(0);
    let mut text = format!("  {:>9}  {:<8}{:^48}{:>10}\n", "ms", "far end", "", "trunkline");
    let mut sorted: Vec<_> = entries.iter().collect();
    sorted.sort_by_key(|e| e["at_us"].as_i64());
    for entry in sorted {
        let at = (entry["at_us"].as_i64().unwrap_or(begin) - begin) as f64 / 1000.0;
        let line = entry["start_line"].as_str().unwrap_or_default();
        let line = line.trim_start_matches("SIP/2.0 ").trim_end_matches(" SIP/2.0");
        let line: String = line.chars().take(42).collect();
        let arrow = if entry["sent"] == true { format!("<{line:-^50}|") } else { format!("|{line:-^50}>") };
        text.push_str(&format!("  {at:>9.1}      {arrow}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn arrows_point_to_whom_the_message_goes() {
        let entries = [
            serde_json::json!({ "at_us": 1_000, "sent": false, "start_line": "INVITE sip:a@b SIP/2.0" }),
            serde_json::json!({ "at_us": 2_500, "sent": true, "start_line": "SIP/2.0 180 Ringing" }),
        ];
        let drawn = super::draw(&entries);
        let lines: Vec<_> = drawn.lines().skip(1).collect();
        assert!(lines[0].contains("0.0") && lines[0].contains("INVITE sip:a@b") && lines[0].ends_with('>'));
        assert!(lines[1].contains("1.5") && lines[1].contains("<-") && lines[1].contains("180 Ringing"));
    }
}
