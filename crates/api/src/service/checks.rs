//! What requests of several services have to have.

use crate::twirp::TwirpError;

/// An id that a request must give.
pub(crate) fn required(field: &str, id: &str) -> Result<(), TwirpError> {
    if id.is_empty() { Err(TwirpError::invalid(field, "is required")) } else { Ok(()) }
}

/// The id inside a record to create or to replace with: empty, or that of the record replaced.
pub(crate) fn own_id(field: &str, given: &str, wanted: &str) -> Result<(), TwirpError> {
    match given {
        "" => Ok(()),
        same if same == wanted => Ok(()),
        _ if wanted.is_empty() => Err(TwirpError::invalid(field, "must be empty: the server draws it")),
        _ => Err(TwirpError::invalid(field, "must be empty or the id of the record to replace")),
    }
}

/// An update that says neither how to replace nor what to change.
pub(super) fn no_action() -> TwirpError {
    TwirpError::invalid("action", "is required: give replace or update")
}
