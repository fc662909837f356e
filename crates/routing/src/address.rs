//! Source addresses: single ones and networks, IPv4, IPv6 and IPv4 written as IPv6.

use std::net::IpAddr;

/// An entry of `allowed_addresses`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// An address, or all that share its first bits.
    Network(IpAddr, u8),
    /// A host name: needs resolving, and until then matches nothing.
    Name(String),
}

impl Allowed {
    /// Reads an entry; `None` if it is none of these.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            let canonical = ip.to_canonical();
            let full = if canonical.is_ipv4() { 32 } else { 128 };
            let bits = match bits {
                None => full,
                // ::ffff:10.0.0.0/104 is 10.0.0.0/8.
                Some(bits) => {
                    let bits: u8 = bits.parse().ok()?;
                    if ip.is_ipv6() && canonical.is_ipv4() { bits.checked_sub(96)? } else { bits }
                }
            };
            return (bits <= full).then_some(Self::Network(canonical, bits));
        }
        let is_name = bits.is_none()
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-' || b == b'_')
            && text.bytes().any(|b| b.is_ascii_alphabetic());
        is_name.then(|| Self::Name(text.to_ascii_lowercase()))
    }

    pub(crate) fn contains(&self, source: IpAddr) -> bool {
        match (self, source.to_canonical()) {
            (Self::Network(IpAddr::V4(network), bits), IpAddr::V4(source)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(*bits)).unwrap_or(0);
                u32::from(*network) & mask == u32::from(source) & mask
            }
            (Self::Network(IpAddr::V6(network), bits), IpAddr::V6(source)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(*bits)).unwrap_or(0);
                u128::from(*network) & mask == u128::from(source) & mask
            }
            _ => false,
        }
    }
}

/// Whether one of the entries holds the source. Entries that cannot be read match nothing.
pub(crate) fn any_contains(entries: &[String], source: &str) -> bool {
    let Ok(source) = source.parse::<IpAddr>() else { return false };
    entries.iter().filter_map(|e| Allowed::parse(e)).any(|e| e.contains(source))
}

#[cfg(test)]
mod tests {
    use super::{Allowed, any_contains};

    #[test]
    fn networks_hold_their_addresses() {
        for (entry, source, wanted) in [
            ("10.0.0.0/8", "10.9.8.7", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("1.2.3.4", "1.2.3.4", true),
            ("1.2.3.4", "::ffff:1.2.3.4", true),
            ("::ffff:10.0.0.0/104", "10.1.1.1", true),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("[2001:db8::1]", "2001:db8::1", true),
            ("2001:db8::/32", "1.2.3.4", false),
            ("sip.example.com", "1.2.3.4", false),
            ("1.2.3.4", "nonsense", false),
        ] {
            assert_eq!(any_contains(&[entry.into()], source), wanted, "{entry} {source}");
        }
        for bad in ["", "1.2.3.4/33", "1.2.3", "sip:1.2.3.4", "a b", "*", "1.2.3.4/x", "::ffff:1.2.3.4/90"] {
            assert_eq!(Allowed::parse(bad), None, "{bad}");
        }
    }
}
