//! `trunkline.Options`: what LiveKit's records of trunks and rules lack. JSON only.
//!
//! `{"trunk_id": "ST_…"}` or `{"rule_id": "SDR_…"}` says whose; `SetOptions` takes the whole set in
//! `options`, and both answer it.

use super::Context;
use crate::{
    grant::Grant,
    twirp::{TwirpError, write_json},
};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use trunkline_exchange::command::{Command, OptionsKey, Reply};
use trunkline_routing::record::Options;

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Request {
    trunk_id: String,
    rule_id: String,
    options: Map<String, Value>,
}

#[derive(Serialize)]
struct Answer {
    #[serde(skip_serializing_if = "String::is_empty")]
    trunk_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    rule_id: String,
    options: Options,
}

/// A request to `trunkline.Options`; `None` if there is no such method.
pub(crate) async fn call(context: &Context<'_>, method: &str) -> Option<Result<Response, TwirpError>> {
    match method {
        "GetOptions" | "SetOptions" => Some(handle(context, method == "SetOptions").await),
        _ => None,
    }
}

async fn handle(context: &Context<'_>, set: bool) -> Result<Response, TwirpError> {
    context.need(Grant::SipAdmin)?;
    let request: Request = context.json()?;
    let key = match (request.trunk_id.as_str(), request.rule_id.as_str()) {
        ("", "") => return Err(TwirpError::invalid("trunk_id", "or rule_id is required")),
        (trunk, "") => OptionsKey::Trunk(trunk.into()),
        ("", rule) => OptionsKey::Rule(rule.into()),
        _ => return Err(TwirpError::invalid("rule_id", "must be empty when trunk_id is given")),
    };
    let command = if set { Command::SetOptions(key, read(request.options)?) } else { Command::GetOptions(key) };
    match context.ask(command).await? {
        Reply::Options(options) => {
            write_json(&Answer { trunk_id: request.trunk_id, rule_id: request.rule_id, options })
        }
        _ => Err(TwirpError::unexpected_reply()),
    }
}

/// Reads options one by one, so that the error names the one that is wrong.
fn read(given: Map<String, Value>) -> Result<Options, TwirpError> {
    let known = match serde_json::to_value(Options::default()) {
        Ok(Value::Object(known)) => known,
        _ => Map::new(),
    };
    for (name, value) in &given {
        let field = format!("options.{name}");
        if !known.contains_key(name) {
            let nearest = known.keys().min_by_key(|key| distance(key, name)).map_or("", String::as_str);
            return Err(TwirpError::invalid(&field, format_args!("is no option; the nearest is {nearest:?}")));
        }
        let one = Map::from_iter([(name.clone(), value.clone())]);
        serde_json::from_value::<Options>(Value::Object(one))
            .map_err(|error| TwirpError::invalid(&field, format_args!("does not fit: {error}")))?;
    }
    let options: Options = serde_json::from_value(Value::Object(given))
        .map_err(|error| TwirpError::invalid("options", format_args!("do not fit: {error}")))?;
    options.check()?;
    Ok(options)
}

/// Levenshtein distance, on at most 64 characters of the name given.
fn distance(known: &str, given: &str) -> usize {
    let mut row: Vec<usize> = (0..=known.chars().count()).collect();
    for (index, letter) in given.chars().take(64).enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        for (cell, other) in row.iter_mut().zip(std::iter::once(None).chain(known.chars().map(Some))) {
            let above = *cell;
            *cell = match other {
                None => left,
                Some(other) => (diagonal + usize::from(other != letter)).min(above + 1).min(left + 1),
            };
            diagonal = above;
            left = *cell;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{distance, read};
    use serde_json::{Value, json};

    fn object(value: Value) -> serde_json::Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn distances_are_counted() {
        for (a, b, wanted) in [("", "", 0), ("abc", "", 3), ("", "abc", 3), ("kitten", "sitting", 3), ("a", "a", 0)] {
            assert_eq!(distance(a, b), wanted, "{a} {b}");
        }
    }

    #[test]
    fn errors_name_the_option() {
        let unknown = read(object(json!({"answer_polcy": "immediate"}))).unwrap_err();
        let text = format!("{unknown:?}");
        assert!(text.contains("answer_polcy") && text.contains("answer_policy"), "{text}");
        let bad = format!("{:?}", read(object(json!({"drain_ms": "x"}))).unwrap_err());
        assert!(bad.contains("options.drain_ms"), "{bad}");
        let range = format!("{:?}", read(object(json!({"pin_tries": 11}))).unwrap_err());
        assert!(range.contains("options.pin_tries"), "{range}");
        assert_eq!(read(object(json!({"drain_ms": 5, "no_answer_status": null}))).unwrap().drain_ms, Some(5));
    }
}
