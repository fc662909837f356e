//! Why a decision is what it is.

use crate::CallFacts;
use serde::{Deserialize, Serialize};

/// A trunk or rule that was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Considered {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it matched.
    pub matched: bool,
    /// The field that decided.
    pub field: String,
    /// What the field wants, and what the call has.
    pub why: String,
}

/// The explanation tree of one decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Explanation {
    /// The call it is about.
    pub facts: CallFacts,
    /// The trunks looked at, by the index of numbers.
    pub trunks: Vec<Considered>,
    /// The rules looked at.
    pub rules: Vec<Considered>,
    /// One line: what was decided, and which field decided.
    pub verdict: String,
}

/// How many misses an explanation names.
pub(crate) const MISSES: usize = 8;

/// A number as a log may show it: its beginning.
pub(crate) fn masked(number: &str) -> String {
    let shown: String = number.chars().take(5).collect();
    if number.chars().count() > 5 { format!("{shown}…") } else { shown }
}
