//! What a NOTIFY about a REFER says (RFC 3515 §2.4.4, RFC 3420), read as far as it can be.

use trunkline_call::transfer::Notified;
use trunkline_sip::refer::{EventHeader, SipFragment, SubscriptionState};

/// The number of the REFER that an `Event` is about: `None` if it is about none, `Some(None)` if it
/// does not say about which.
pub(super) fn refer_event(value: &str) -> Option<Option<u32>> {
    let event = EventHeader::parse(value);
    (event.package == "refer").then(|| event.id.and_then(|id| id.parse().ok()))
}

/// What `Subscription-State` and the body say; `None` if the body is not a status line.
pub(super) fn notified(state: Option<&str>, body: &[u8]) -> Option<Notified> {
    let terminated = state.is_some_and(|state| SubscriptionState::parse(state).is_terminated);
    if body.trim_ascii().is_empty() {
        return Some(Notified { status: None, terminated });
    }
    let SipFragment { status, reason } = SipFragment::parse(body)?;
    let reason = reason.chars().filter(|c| !c.is_control()).collect();
    Some(Notified { status: Some((status, reason)), terminated })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_in_their_dialects() {
        assert_eq!(refer_event("refer"), Some(None));
        assert_eq!(refer_event("Refer; id=5"), Some(Some(5)));
        assert_eq!(refer_event("refer;x=y;ID = 93809824"), Some(Some(93_809_824)));
        assert_eq!(refer_event("refer;id=99999999999"), Some(None));
        assert_eq!(refer_event("presence"), None);
        assert_eq!(refer_event(""), None);
    }

    #[test]
    fn status_lines_in_their_dialects() {
        let says = |body: &str| notified(None, body.as_bytes()).and_then(|n| n.status);
        assert_eq!(says("SIP/2.0 200 OK\r\n"), Some((200, "OK".into())));
        assert_eq!(says("\r\nsip/2.0  486   Busy Here"), Some((486, "Busy Here".into())));
        assert_eq!(says("SIP/2.0 100"), Some((100, String::new())));
        assert_eq!(says("SIP/2.0 200 OK\r\nTo: x\r\n"), Some((200, "OK".into())));
        for bad in ["200 OK", "SIP/2.0", "SIP/2.0 99 x", "SIP/2.0 700 x", "SIP/2.0 2OO OK", "é x"] {
            assert_eq!(notified(None, bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn the_subscription_may_end_without_a_word() {
        assert_eq!(notified(Some("Terminated;reason=x"), b""), Some(Notified { status: None, terminated: true }));
        assert_eq!(notified(Some("active;expires=60"), b""), Some(Notified { status: None, terminated: false }));
    }
}
