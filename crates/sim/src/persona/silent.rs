//! It says nothing at all.

use super::script::{Script, Settings};

pub(crate) fn script(settings: &Settings) -> Script {
    let mut script = Script::answering(settings);
    script.answer.clear();
    script
}
