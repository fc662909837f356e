//! It takes calls and no transfers.

use super::script::{OnRefer, Script, Settings, with_phrase};

pub(crate) fn script(settings: &Settings) -> Script {
    let mut script = Script::answering(settings);
    script.on_refer = OnRefer::Refuse(with_phrase(&settings.text("status", "403")));
    script
}
