//! An attended transfer: the far end of one call of ours takes the place we have in another
//! (RFC 3891 §3, RFC 5589 §7).

use crate::{
    Exchange,
    command::{ApiError, Code},
};
use std::fmt::Write;
use trunkline_sip::{Address, DialogId};
use trunkline_types::{CallId, limits};

impl Exchange {
    /// The target that makes whoever is referred there take our place in the call of this id.
    pub(super) fn attended(&self, call: &str) -> Result<String, ApiError> {
        let no_call = || ApiError::new(Code::NotFound, format!("transfer_to: there is no answered call {call:?}"));
        let entry = self.calls.get(&CallId::from(call)).filter(|entry| entry.call.is_active()).ok_or_else(no_call)?;
        let dialog = entry.dialog.as_ref().ok_or_else(no_call)?;
        let headers = &entry.call.facts().setup.invite.headers;
        let contact = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Contact"));
        let uri = contact.map(|(_, value)| Address::parse(value).uri.text).ok_or_else(no_call)?;
        let target = with_replaces(&uri, dialog);
        if target.len() > limits::URI_BYTES {
            return Err(ApiError::new(Code::InvalidArgument, "transfer_to: the address of that call is too long"));
        }
        Ok(target)
    }
}

/// The far end's tag comes first: it is its own, as it reads the header.
fn with_replaces(uri: &str, dialog: &DialogId) -> String {
    let separator = if uri.contains('?') { '&' } else { '?' };
    let replaces = format!("{};to-tag={};from-tag={}", dialog.call_id, dialog.remote_tag, dialog.local_tag);
    let mut target = format!("{uri}{separator}Replaces=");
    for byte in replaces.bytes() {
        match byte {
            b if b.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&b) => target.push(char::from(b)),
            // Writing into a String cannot fail.
            b => _ = write!(target, "%{b:02X}"),
        }
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_is_escaped_and_names_the_far_ends_tag_first() {
        let dialog = DialogId { call_id: "a b@h".into(), local_tag: "us".into(), remote_tag: "them".into() };
        assert_eq!(
            with_replaces("sip:u@h:5060", &dialog),
            "sip:u@h:5060?Replaces=a%20b%40h%3Bto-tag%3Dthem%3Bfrom-tag%3Dus"
        );
        assert!(with_replaces("sip:u@h?A=b", &dialog).starts_with("sip:u@h?A=b&Replaces="));
    }
}
