//! `host[:port]`, with names, IPv4 and IPv6.

use crate::Refusal;
use std::{fmt, net::Ipv6Addr};

/// A host with its port, as a URI writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// A name or an address, without brackets.
    pub(crate) host: String,
    /// The port, if it is named.
    pub(crate) port: Option<u16>,
}

impl Place {
    /// Reads `host[:port]`. An IPv6 address may go without brackets if there is no port.
    ///
    /// # Errors
    /// Anything else than that; `field` names it.
    pub(crate) fn parse(field: &str, text: &str) -> Result<Self, Refusal> {
        let wrong = || Refusal::invalid(field, format!("{text:?} is not a bare host[:port]"));
        if text.parse::<Ipv6Addr>().is_ok() {
            return Ok(Self { host: text.to_owned(), port: None });
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(wrong)?;
                host.parse::<Ipv6Addr>().map_err(|_| wrong())?;
                match rest {
                    "" => (host, None),
                    rest => (host, Some(rest.strip_prefix(':').ok_or_else(wrong)?)),
                }
            }
            None => match text.split_once(':') {
                Some((host, port)) => (named(host).ok_or_else(wrong)?, Some(port)),
                None => (named(text).ok_or_else(wrong)?, None),
            },
        };
        let port = match port {
            None => None,
            Some(digits) if digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit()) => {
                Some(digits.parse::<u16>().ok().filter(|port| *port != 0).ok_or_else(wrong)?)
            }
            Some(_) => return Err(wrong()),
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

/// A host name or an IPv4 address.
fn named(host: &str) -> Option<&str> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    (!host.is_empty() && host.len() <= 255 && host.bytes().all(legal)).then_some(host)
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]", self.host)?,
            false => f.write_str(&self.host)?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn hosts_with_and_without_ports() {
        for (text, host, port, written) in [
            ("sip.example.com", "sip.example.com", None, "sip.example.com"),
            ("sip.example.com:5080", "sip.example.com", Some(5080), "sip.example.com:5080"),
            ("10.0.0.1:5060", "10.0.0.1", Some(5060), "10.0.0.1:5060"),
            ("[2001:db8::1]:5061", "2001:db8::1", Some(5061), "[2001:db8::1]:5061"),
            ("2001:db8::1", "2001:db8::1", None, "[2001:db8::1]"),
        ] {
            let place = Place::parse("address", text).unwrap();
            assert_eq!((place.host.as_str(), place.port, place.to_string().as_str()), (host, port, written));
        }
        for bad in [
            "",
            ":5060",
            "host:",
            "host:0",
            "host:65536",
            "host:+5",
            "a b",
            "a@b",
            "sip:a",
            "a;b",
            "[::1",
            "[::1]5",
            "[host]:1",
            "a\r\nb",
            "a?b",
            "a,b",
            "host:5060:1",
        ] {
            let refusal = Place::parse("address", bad).unwrap_err();
            assert_eq!(refusal.field, "address", "{bad}");
        }
    }
}
