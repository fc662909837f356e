//! The Replaces header (RFC 3891).

use crate::{DialogId, parameters::Parameters};
use std::fmt::{self, Write};

/// Which dialog an INVITE takes the place of, as its receiver knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaces {
    /// Call-ID.
    pub call_id: String,
    /// The tag of whoever receives the INVITE.
    pub to_tag: String,
    /// The tag of the other side of that dialog.
    pub from_tag: String,
    /// Only while the dialog is early.
    pub early_only: bool,
}

impl Replaces {
    /// Reads the value; `None` if a part is missing or stands there twice (RFC 3891 §6.1).
    pub fn parse(value: &str) -> Option<Self> {
        let read = Parameters::read(value);
        let legal = |text: &&str| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control());
        let one = |name: &str| match read.count(name) {
            1 => read.get(name).filter(legal).map(str::to_owned),
            _ => None,
        };
        Some(Self {
            call_id: Some(read.value).filter(legal)?.to_owned(),
            to_tag: one("to-tag")?,
            from_tag: one("from-tag")?,
            early_only: read.count("early-only") > 0,
        })
    }

    /// What the far end of a dialog of ours must be told, so that it knows that dialog.
    pub fn at_far_end(dialog: &DialogId) -> Self {
        Self {
            call_id: dialog.call_id.clone(),
            to_tag: dialog.remote_tag.clone(),
            from_tag: dialog.local_tag.clone(),
            early_only: false,
        }
    }

    /// The dialog as we know it, when we are the receiver.
    pub(crate) fn dialog(&self) -> DialogId {
        DialogId { call_id: self.call_id.clone(), local_tag: self.to_tag.clone(), remote_tag: self.from_tag.clone() }
    }

    /// The value as it stands behind `?Replaces=` in a SIP URI (RFC 3261 §19.1.1).
    pub fn escaped(&self) -> String {
        let mut text = String::new();
        for byte in self.to_string().bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.!~*'()[]/?:+$".contains(&byte) {
                text.push(char::from(byte));
            } else {
                let _ = write!(text, "%{byte:02X}");
            }
        }
        text
    }
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};to-tag={};from-tag={}", self.call_id, self.to_tag, self.from_tag)?;
        if self.early_only { f.write_str(";early-only") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_written_and_escaped() {
        let read = Replaces::parse("425928@bobster.example ; to-tag=7743;From-Tag=6472;early-only").unwrap();
        assert_eq!((read.to_tag.as_str(), read.from_tag.as_str(), read.early_only), ("7743", "6472", true));
        assert_eq!(read.to_string(), "425928@bobster.example;to-tag=7743;from-tag=6472;early-only");
        assert_eq!(Replaces::parse(&read.to_string()), Some(read.clone()));
        assert_eq!(read.escaped(), "425928%40bobster.example%3Bto-tag%3D7743%3Bfrom-tag%3D6472%3Bearly-only");
        for text in [
            "",
            "a",
            "a;to-tag=1",
            "a;from-tag=1",
            ";to-tag=1;from-tag=2",
            "a;to-tag=1;to-tag=1;from-tag=2",
            "a;to-tag=;from-tag=2",
        ] {
            assert_eq!(Replaces::parse(text), None, "{text}");
        }
    }
}
