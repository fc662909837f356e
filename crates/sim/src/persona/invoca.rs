//! FreeSWITCH as Invoca has it: answers at once, takes a REFER and tells how the transfer went. What
//! its REFER was for is told as it was written.

use super::script::{Script, Settings};

pub(crate) fn script(settings: &Settings) -> Script {
    let mut script = Script::answering(settings);
    script.headers.push_str("User-Agent: FreeSWITCH-mod_sofia/1.10\r\n");
    script
}
