//! API requests that wait for a call.

use crate::command::RequestId;
use std::collections::BTreeMap;
use trunkline_types::CallId;

/// Those that wait for one transfer.
pub(super) struct Transfer {
    /// `STR_…`.
    pub(super) id: String,
    pub(super) target: String,
    pub(super) requests: Vec<RequestId>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Waiters {
    pub(super) transfers: BTreeMap<CallId, Transfer>,
    pub(super) holds: BTreeMap<CallId, Vec<RequestId>>,
}
