//! It puts us on hold and comes back: a re-INVITE with another direction, and one with the first.

use super::script::{Act, Script, Settings};

pub(crate) fn script(settings: &Settings) -> Script {
    let mut script = Script::answering(settings);
    let (after, length) = (settings.seconds("after", 1.0), settings.seconds("for", 2.0));
    let offer = |direction: String| Act::Reinvite { direction: Some(direction), codecs: None };
    script.up.push((after, offer(settings.text("hold", "sendonly"))));
    if settings.is("resume", true) {
        script.up.push((after + length, offer("sendrecv".into())));
    }
    script
}
