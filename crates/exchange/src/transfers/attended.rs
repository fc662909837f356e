//! An attended transfer: the far end of one call of ours takes the place we have in another
//! (RFC 3891 §3, RFC 5589 §7).

use crate::{
    Exchange,
    command::{ApiError, Code},
};
use trunkline_sip::{Address, Replaces};
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
        let separator = if uri.contains('?') { '&' } else { '?' };
        let target = format!("{uri}{separator}Replaces={}", Replaces::at_far_end(dialog).escaped());
        if target.len() > limits::URI_BYTES {
            return Err(ApiError::new(Code::InvalidArgument, "transfer_to: the address of that call is too long"));
        }
        Ok(target)
    }
}
