//! Whom one wants is elsewhere: 302.

use super::script::{Script, Settings};

pub(crate) fn script(settings: &Settings) -> Script {
    let contact = settings.text("contact", "sip:elsewhere@127.0.0.1:9");
    Script::refusing(settings, "302 Moved Temporarily", &format!("Contact: <{contact}>\r\n"))
}
