//! A Twilio trunk: its headers, early media, an answer; and where it refuses, its own code for why.

use super::script::{Act, Script, Settings, provisional};
use std::time::Duration;

/// What all its messages carry.
const OWN: &str = "X-Twilio-CallSid: CA00000000000000000000000000000001\r\n\
                   X-Twilio-AccountSid: AC00000000000000000000000000000001\r\n";

pub(crate) fn script(settings: &Settings) -> Script {
    let error = settings.text("error", "13224");
    if settings.get("refuse").is_some() {
        let refused = Settings::new([("status".to_owned(), settings.text("refuse", "404"))]);
        let headers = format!("X-Twilio-Error: {error} Invalid phone number format\r\n");
        return Script { headers: OWN.into(), ..Script::refusing(&refused, "404 Not Found", &headers) };
    }
    let mut script = Script::answering(settings);
    script.headers.push_str(OWN);
    script.answer = vec![
        (Duration::ZERO, provisional("183 Session Progress", true)),
        (settings.seconds("answer_after", 1.0), Act::Answer),
    ];
    script
}
