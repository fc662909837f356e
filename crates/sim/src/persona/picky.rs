//! It lets nobody in without a name and a password (RFC 7616, RFC 8760).

use super::script::{Challenge, Script, Settings};

pub(crate) fn script(settings: &Settings) -> Script {
    let list = |key: &str, default: &str| settings.text(key, default).split(',').map(|s| s.trim().to_owned()).collect();
    let mut script = Script::answering(settings);
    script.challenge = Some(Challenge {
        status: u16::try_from(settings.number("status", 401)).unwrap_or(401),
        algorithms: list("algorithm", "MD5"),
        qop: Some(settings.text("qop", "auth")).filter(|qop| qop != "none"),
        realm: settings.text("realm", "picky"),
        user: settings.text("user", "user"),
        password: settings.text("password", "password"),
        methods: list("methods", "INVITE"),
        stale: settings.is("stale", false),
        next_nonce: settings.is("nextnonce", false),
    });
    script
}
