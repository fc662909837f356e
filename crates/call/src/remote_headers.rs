//! The INVITE's headers as the room may read them (`lk.sip.GetRemoteHeaders`).

use crate::{Facts, attributes};
use std::collections::BTreeMap;

/// Headers of the dialog and the transport, which say nothing about the caller (LiveKit's list).
const TECHNICAL: [&str; 14] = [
    "route",
    "record-route",
    "via",
    "supported",
    "accept",
    "allow",
    "allow-events",
    "cseq",
    "event",
    "expires",
    "session-expires",
    "min-se",
    "max-forwards",
    "v",
];

impl Facts {
    /// The INVITE's headers by name, those of `include` alone if there are any, and none of
    /// `exclude`; names compare without case. Values of a repeated header are joined by a comma.
    /// Credentials are never among them, and nothing that tells a hidden caller's number.
    pub fn remote_headers(&self, include: &[String], exclude: &[String]) -> BTreeMap<String, String> {
        let listed = |list: &[String], name: &str| list.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in attributes::visible_headers(&self.setup) {
            let technical = TECHNICAL.iter().any(|t| name.eq_ignore_ascii_case(t))
                || name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("content-"));
            let wanted = if include.is_empty() { !technical } else { listed(include, name) };
            if !wanted || listed(exclude, name) {
                continue;
            }
            match headers.iter_mut().find(|(held, _)| held.eq_ignore_ascii_case(name)) {
                Some((_, held)) => {
                    held.push_str(", ");
                    held.push_str(value);
                }
                None => _ = headers.insert(name.to_owned(), value.to_owned()),
            }
        }
        headers
    }
}
