//! What a NOTIFY about a REFER says (RFC 3515 §2.4.4, RFC 3420), read as far as it can be.

use trunkline_call::transfer::Notified;

/// The number of the REFER that an `Event` is about: `None` if it is about none, `Some(None)` if it
/// does not say about which.
pub(super) fn refer_event(value: &str) -> Option<Option<u32>> {
    let mut parts = value.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("refer") {
        return None;
    }
    let id = parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("id").then(|| value.trim().parse().ok())?
    });
    Some(id)
}

/// What `Subscription-State` and the body say; `None` if the body is not a status line.
pub(super) fn notified(state: Option<&str>, body: &[u8]) -> Option<Notified> {
    let state = state.and_then(|state| state.split(';').next()).unwrap_or_default().trim();
    let terminated = state.eq_ignore_ascii_case("terminated");
    let text = String::from_utf8_lossy(body);
    let Some(line) = text.lines().map(str::trim).find(|line| !line.is_empty()) else {
        return Some(Notified { status: None, terminated });
    };
    let (version, rest) = line.split_once(char::is_whitespace)?;
    if !version.get(..4)?.eq_ignore_ascii_case("SIP/") {
        return None;
    }
    let rest = rest.trim_start();
    let (code, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let code: u16 = code.parse().ok().filter(|code| (100..700).contains(code))?;
    let reason = reason.trim().chars().filter(|c| !c.is_control()).collect();
    Some(Notified { status: Some((code, reason)), terminated })
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
