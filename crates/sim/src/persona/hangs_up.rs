//! It answers and hangs up first.

use super::script::{Act, Script, Settings};

pub(crate) fn script(settings: &Settings) -> Script {
    let mut script = Script::answering(settings);
    script.up.push((settings.seconds("after", 2.0), Act::Bye));
    script
}
