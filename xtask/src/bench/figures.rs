//! Figures out of the reports of `trunkline sim`.

use serde_json::Value;

/// A number by its path in a report, such as `callers.invite_to_200_ms.p95`; NaN if there is none.
pub fn number(value: &Value, path: &str) -> f64 {
    path.split('.').fold(value, |value, name| &value[name]).as_f64().unwrap_or(f64::NAN)
}

/// Some percentiles of one spread, as text.
pub fn percentiles(value: &Value, path: &str, of: &[&str]) -> String {
    let texts: Vec<_> = of.iter().map(|p| format!("{:.1}", number(value, &format!("{path}.{p}")))).collect();
    texts.join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_lead_to_numbers_or_to_none() {
        let value = json!({ "a": { "p50": 1.25, "p95": 3 } });
        assert_eq!(number(&value, "a.p50"), 1.25);
        assert!(number(&value, "a.b.c").is_nan());
        assert_eq!(percentiles(&value, "a", &["p50", "p95"]), "1.2 / 3.0");
    }
}
