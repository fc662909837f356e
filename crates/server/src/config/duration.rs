//! Durations as people write them.

use super::ConfigError;
use std::time::Duration;

/// `500ms`, `15s`, `30m`, `2h`, or plain seconds; the default is in seconds.
pub(crate) fn parse(key: &'static str, text: Option<&str>, default: u64) -> Result<Duration, ConfigError> {
    let Some(text) = text.map(str::trim) else { return Ok(Duration::from_secs(default)) };
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "ms" => Some(1),
        "" | "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let millis = number.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    millis
        .map(Duration::from_millis)
        .ok_or_else(|| ConfigError::Value { key, why: format!("{text:?} is not a duration such as 15s, 30m or 500ms") })
}
