//! It changes the codec in the call, one re-INVITE after the other.

use super::script::{Act, Script, Settings};
use crate::callers::Codec;

pub(crate) fn script(settings: &Settings) -> Script {
    let mut script = Script::answering(settings);
    let list = settings.codecs("to").unwrap_or_else(|| vec![Codec::Pcma, Codec::G722, Codec::Pcmu]);
    let every = settings.seconds("after", 1.0);
    for (n, codec) in (1_u32..).zip(list) {
        script.up.push((every * n, Act::Reinvite { direction: None, codecs: Some(vec![codec]) }));
    }
    script
}
