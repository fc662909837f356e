//! Which hosts an inline trunk may name.

/// Whether the host is one of those the configuration lists: itself, `*.example.com`, or `*`.
pub(crate) fn listed(allowed: &[String], host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    allowed.iter().map(|entry| entry.to_ascii_lowercase()).any(|entry| match entry.strip_prefix('*') {
        Some("") => true,
        Some(suffix) if suffix.starts_with('.') => host.len() > suffix.len() && host.ends_with(suffix),
        Some(_) => false,
        None => entry.trim_start_matches('[').trim_end_matches(']') == host,
    })
}

#[cfg(test)]
mod tests {
    use super::listed;

    #[test]
    fn names_wildcards_and_nothing() {
        for (entry, host, wanted) in [
            ("sip.example.com", "SIP.example.com", true),
            ("sip.example.com", "example.com", false),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("*.example.com", "evilexample.com", false),
            ("*example.com", "evilexample.com", false),
            ("*", "anything", true),
            ("[::1]", "::1", true),
            ("127.0.0.1", "127.0.0.1", true),
        ] {
            assert_eq!(listed(&[entry.into()], host), wanted, "{entry} {host}");
        }
        assert!(!listed(&[], "sip.example.com"));
    }
}
