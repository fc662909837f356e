//! Somebody does not want the call: 603.

use super::script::{Script, Settings};

pub(crate) fn script(settings: &Settings) -> Script {
    Script::refusing(settings, "603 Decline", "")
}
