//! It rings and rings, and nobody answers. A CANCEL is obeyed.

use super::script::{Script, Settings, provisional};
use std::time::Duration;

pub(crate) fn script(settings: &Settings) -> Script {
    let mut script = Script::answering(settings);
    script.answer = vec![(Duration::ZERO, provisional("180 Ringing", false))];
    script
}
