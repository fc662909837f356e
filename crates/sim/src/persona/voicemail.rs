//! A mailbox: it speaks before it answers (183 with a description), and goes on when it has.

use super::script::{Act, Script, Settings, provisional, speech};
use std::time::Duration;

pub(crate) fn script(settings: &Settings) -> Script {
    let mut script = Script::answering(settings);
    script.answer = vec![
        (Duration::ZERO, provisional("183 Session Progress", true)),
        (settings.seconds("answer_after", 2.0), Act::Answer),
    ];
    if settings.get("tone").is_none() {
        script.says = speech();
    }
    script
}
