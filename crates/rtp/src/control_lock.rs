//! Whose RTCP counts: a report must come from where the far end said it would, or from next to its
//! RTP. Behind a NAT both are other ports; then the one from which reports come while audio flows is
//! learned, once.

use std::net::SocketAddr;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct ControlLock {
    /// Where the SDP says that RTP and RTCP come from.
    rtp: Option<SocketAddr>,
    rtcp: Option<SocketAddr>,
    learned: Option<SocketAddr>,
}

/// A report as it came.
#[derive(Clone, Copy, Debug)]
pub struct ReportSource {
    /// Its address.
    pub source: SocketAddr,
    /// It came at the socket of RTP (RFC 5761).
    pub on_rtp: bool,
    /// It speaks for the SSRC whose audio is accepted.
    pub is_of_stream: bool,
    /// Audio has come a moment ago.
    pub flows: bool,
}

impl ControlLock {
    /// A lock that knows the addresses of the SDP.
    pub fn new(rtp: Option<SocketAddr>, rtcp: Option<SocketAddr>) -> Self {
        Self { rtp, rtcp, learned: None }
    }

    /// Whether a report is the far end's, whose RTP comes from `locked`.
    pub fn accepts(&mut self, report: ReportSource, locked: SocketAddr) -> bool {
        let ReportSource { source, on_rtp, is_of_stream, flows } = report;
        if source == locked || self.rtcp == Some(source) {
            return true;
        }
        if on_rtp || source.ip() != locked.ip() {
            return false;
        }
        // RFC 3550 §11: one above, unless the SDP says otherwise.
        let is_next = locked.port().checked_add(1) == Some(source.port());
        if is_next && (self.rtcp.is_none() || self.rtp != Some(locked)) {
            return true;
        }
        // Who sends RTP from where he said does so with RTCP: there is nothing to learn.
        if self.rtp == Some(locked) {
            return false;
        }
        if self.learned.is_none() && is_of_stream && flows {
            self.learned = Some(source);
        }
        self.learned == Some(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn from(source: &str) -> ReportSource {
        ReportSource { source: at(source), on_rtp: false, is_of_stream: true, flows: true }
    }

    #[test]
    fn who_sends_from_where_he_said_is_heard_there_alone() {
        let said = at("192.0.2.1:4000");
        let mut lock = ControlLock::new(Some(said), Some(at("192.0.2.1:4001")));
        for (source, wanted) in [
            ("192.0.2.1:4001", true),
            ("192.0.2.1:4000", true),
            ("192.0.2.1:4002", false),
            ("192.0.2.1:9", false),
            ("192.0.2.2:4001", false),
        ] {
            assert_eq!(lock.accepts(from(source), said), wanted, "{source}");
        }
        let mut named = ControlLock::new(Some(said), Some(at("192.0.2.1:7000")));
        assert!(named.accepts(from("192.0.2.1:7000"), said) && !named.accepts(from("192.0.2.1:4001"), said));
    }

    #[test]
    fn behind_a_nat_the_port_is_learned_once_and_while_audio_flows() {
        let locked = at("198.51.100.7:61000");
        let mut lock = ControlLock::new(Some(at("10.0.0.1:4000")), Some(at("10.0.0.1:4001")));
        let silent = ReportSource { flows: false, ..from("198.51.100.7:500") };
        let strange = ReportSource { is_of_stream: false, ..from("198.51.100.7:501") };
        assert!(!lock.accepts(silent, locked) && !lock.accepts(strange, locked));
        assert!(lock.accepts(from("198.51.100.7:61001"), locked), "the port above");
        assert!(lock.accepts(from("198.51.100.7:61777"), locked));
        let later = ReportSource { flows: false, ..from("198.51.100.7:61777") };
        assert!(lock.accepts(later, locked) && !lock.accepts(from("198.51.100.7:502"), locked));
    }

    #[test]
    fn at_the_socket_of_rtp_reports_come_from_where_rtp_does() {
        let locked = at("192.0.2.1:4000");
        let mut lock = ControlLock::new(None, None);
        let muxed = |source| ReportSource { on_rtp: true, ..from(source) };
        assert!(lock.accepts(muxed("192.0.2.1:4000"), locked) && !lock.accepts(muxed("192.0.2.1:4001"), locked));
    }
}
