//! A Genesys SBC: its INVITE has no offer, and the description that is its answer comes with the ACK.

use super::script::{Script, Settings};

pub(crate) fn script(settings: &Settings) -> Script {
    let mut script = Script::answering(settings);
    script.offers = false;
    script.headers.push_str("X-Genesys-CallUUID: 4B8C2Q2I5H0T31QKTI5H0T31QK000001\r\n");
    script
}
