//! The line is busy: 486.

use super::script::{Script, Settings};

pub(crate) fn script(settings: &Settings) -> Script {
    Script::refusing(settings, "486 Busy Here", "")
}
