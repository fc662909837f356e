//! A proxy has forked the INVITE: two branches ring and both answer.

use super::script::{Script, Settings};

pub(crate) fn script(settings: &Settings) -> Script {
    let mut script = Script::answering(settings);
    script.forks = 2;
    script
}
