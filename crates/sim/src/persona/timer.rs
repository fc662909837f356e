//! A session that must be refreshed (RFC 4028), by it or by us.

use super::script::{Script, Settings, Timer};

pub(crate) fn script(settings: &Settings) -> Script {
    let mut script = Script::answering(settings);
    let expires = settings.number("expires", 90);
    let after = settings.seconds("refresh_after", expires as f64 / 2.0);
    let (is_ours, by_update) =
        (settings.text("refresher", "us") == "us", settings.text("method", "INVITE") == "UPDATE");
    script.timer = Some(Timer { expires, is_ours, by_update, after });
    script
}
