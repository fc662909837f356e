//! SIP headers that belong to the dialog or transaction: no mapping and no custom header may be one.

/// Lower case, with the compact forms of RFC 3261 §7.3.3, RFC 3515, RFC 6665 and RFC 3891.
const RESERVED: [&str; 35] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "allow",
    "allow-events",
    "authorization",
    "call-id",
    "contact",
    "content-encoding",
    "content-length",
    "content-type",
    "cseq",
    "event",
    "expires",
    "from",
    "max-forwards",
    "proxy-authorization",
    "record-route",
    "refer-to",
    "reply-to",
    "require",
    "route",
    "supported",
    "to",
    "via",
    "f",
    "i",
    "k",
    "l",
    "m",
    "o",
    "r",
    "t",
    "u",
    "v",
];

/// Whether a header name is taken.
pub fn is_reserved_header(name: &str) -> bool {
    RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved))
}

#[cfg(test)]
mod tests {
    use super::is_reserved_header;

    #[test]
    fn long_and_compact_forms_in_any_case() {
        for name in ["Via", "v", "CALL-ID", "i", "Route", "u"] {
            assert!(is_reserved_header(name), "{name}");
        }
        for name in ["X-Via", "Reason", "User-to-User", "P-Asserted-Identity", "x"] {
            assert!(!is_reserved_header(name), "{name}");
        }
    }
}
