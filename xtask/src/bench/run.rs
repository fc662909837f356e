//! A bench under way: a fresh server for each line, pairs as all lines have them, and the aims.

use super::{
    Server,
    aims::Aims,
    options::Options,
    pairs::{DIGITS, Pairs, start},
};
use anyhow::Result;
use serde_json::Value;
use std::path::Path;

/// Begun per second, where the beginning is not what is measured.
const RATE: f64 = 30.0;

/// See the module.
pub struct Run<'a> {
    pub(super) options: Options,
    pub(super) folder: &'a Path,
    pub(super) speech: String,
    pub(super) aims: Aims,
    runs: u32,
}

impl<'a> Run<'a> {
    pub(super) fn new(options: Options, folder: &'a Path, speech: String) -> Self {
        Self { options, folder, speech, aims: Aims::default(), runs: 0 }
    }

    /// A fresh server.
    pub(super) fn server(&mut self, more: &Value) -> Result<Server> {
        self.runs += 1;
        start(&self.folder.join(self.runs.to_string()), more)
    }

    pub(super) fn pairs(&self, count: u32) -> Pairs {
        Pairs {
            count,
            rate: RATE,
            interval: if self.options.quick { 6.0 } else { 15.0 },
            digits: DIGITS,
            speech: self.speech.clone(),
            talk_percent: 100,
            // As with an agent: the caller is in the room when its partner comes.
            more: vec!["--first".into(), "caller".into()],
        }
    }
}
