//! What a far end understands: option tags (RFC 3261 §19.2) and methods.

use crate::{Message, address::split_list};

impl Message {
    /// Whether Supported or Require has this option tag.
    pub fn supports(&self, tag: &str) -> bool {
        self.lists("Supported", tag) || self.lists("Require", tag)
    }

    /// Whether Require has this option tag.
    pub fn requires(&self, tag: &str) -> bool {
        self.lists("Require", tag)
    }

    /// Whether Allow has this method; `None` without an Allow header.
    pub fn allows(&self, method: &str) -> Option<bool> {
        self.find("Allow").next()?;
        Some(self.lists("Allow", method))
    }

    fn lists(&self, header: &str, wanted: &str) -> bool {
        self.find(header).flat_map(split_list).any(|entry| entry.eq_ignore_ascii_case(wanted))
    }
}
