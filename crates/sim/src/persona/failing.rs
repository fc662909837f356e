//! The gateway is overloaded: 503, and when to come back.

use super::script::{Script, Settings};

pub(crate) fn script(settings: &Settings) -> Script {
    let retry = match settings.get("retry_after") {
        Some("no") => String::new(),
        after => format!("Retry-After: {}\r\n", after.unwrap_or("30")),
    };
    Script::refusing(settings, "503 Service Unavailable", &retry)
}
