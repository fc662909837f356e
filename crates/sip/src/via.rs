//! One Via value (RFC 3261 §20.42).

use crate::{
    address::{host_and_port, is_token},
    number,
};

/// A hop, as far as somebody asks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Via<'a> {
    /// Host and perhaps port.
    pub(crate) sent_by: &'a str,
    /// Without the brackets of an IPv6 address.
    pub(crate) host: &'a str,
    port: Option<&'a str>,
    protocol: [&'a str; 3],
    parameters: &'a str,
}

impl<'a> Via<'a> {
    /// Reads what can be read; [`Self::fault`] tells whether that is enough.
    pub(crate) fn read(hop: &'a str) -> Self {
        let (head, parameters) = hop.split_once(';').map_or((hop, ""), |(head, _)| {
            // The semicolon stays, so that an empty parameter is seen.
            (head, hop.get(head.len()..).unwrap_or_default())
        });
        let mut parts = head.splitn(3, '/');
        let mut part = || parts.next().unwrap_or_default().trim();
        let (name, version, rest) = (part(), part(), part());
        let (transport, sent_by) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        let sent_by = sent_by.trim();
        let (host, port) = host_and_port(sent_by);
        Self { sent_by, host, port, protocol: [name, version, transport], parameters }
    }

    /// Its parameters: name and value.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.parameters.split(';').skip(1).map(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            (name.trim(), value.trim())
        })
    }

    /// A parameter's value.
    pub(crate) fn parameter(&self, wanted: &str) -> Option<&'a str> {
        self.parameters().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    }

    /// What keeps it from being any hop at all.
    pub(crate) fn unreadable(&self) -> Option<&'static str> {
        let named = self.protocol.iter().all(|part| !part.is_empty() && part.bytes().all(is_token));
        (!named || self.host.is_empty()).then_some("a Via cannot be read")
    }

    /// What keeps it from being the hop an answer goes to.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        if let Some(why) = self.unreadable() {
            return Some(why);
        }
        if self.host.contains([' ', '\t', '"', '<', '>', ',']) {
            return Some("the host of the top Via cannot be read");
        }
        if self.port.is_some_and(|port| number::port(port).is_none()) {
            return Some("the port of the top Via is not 1 to 65535");
        }
        if self.parameters().any(|(name, _)| name.is_empty() || !name.bytes().all(is_token)) {
            return Some("a parameter of the top Via has no name");
        }
        let ttl = self.parameter("ttl").is_some_and(|ttl| number::number(ttl, 255).is_none());
        ttl.then_some("ttl of the top Via is not a number up to 255")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_and_brackets_are_read() {
        let via = Via::read("SIP  /   2.0 /UDP    [2001:db8::9:1] : 6050 ; Branch = z9 ;rport");
        assert_eq!((via.host, via.port, via.fault()), ("2001:db8::9:1", Some("6050"), None));
        assert_eq!((via.parameter("branch"), via.parameter("RPORT")), (Some("z9"), Some("")));
    }

    #[test]
    fn what_is_no_hop_has_a_fault() {
        for hop in [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0 a",
            "SIP/2.0/UDP a;;",
            "SIP/2.0/UDP a;",
            "SIP/2.0/UDP a;=b",
            "SIP/2.0/UDP a:",
            "SIP/2.0/UDP a:0",
            "SIP/2.0/UDP a:65536",
            "SIP/2.0/UDP [::1]5",
            "SIP/2.0/UDP a b",
            "SIP/2.0/UDP a;ttl=256",
            "SIP/2.0/UDP a;ttl=",
        ] {
            assert!(Via::read(hop).fault().is_some(), "{hop}");
        }
    }
}
