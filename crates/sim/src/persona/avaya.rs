//! An Avaya Session Manager: two Record-Routes stacked before it, and a session that it refreshes by
//! UPDATE.

use super::script::{Script, Settings, Timer};

pub(crate) fn script(settings: &Settings) -> Script {
    let mut script = Script::answering(settings);
    script.record_routes = 2;
    let expires = settings.number("expires", 90);
    let after = settings.seconds("refresh_after", expires as f64 / 2.0);
    script.timer = Some(Timer { expires, is_ours: true, by_update: true, after });
    script.headers.push_str("User-to-User: 00FA080019001038F725B3;encoding=hex\r\n");
    script
}
