//! Keys in SIP INFO: `application/dtmf-relay` (`Signal=5`, `Duration=160`) and `application/dtmf`
//! (the key alone), as gateways without RFC 4733 send them.

/// The key of an INFO body: its RFC 4733 event code and its character. `None` for anything else.
pub(crate) fn key(content_type: &str, body: &[u8]) -> Option<(u8, char)> {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let text = std::str::from_utf8(body).ok()?;
    let signal = match kind.as_str() {
        "application/dtmf-relay" => text.lines().find_map(|line| {
            let (name, value) = line.split_once(['=', ':'])?;
            name.trim().eq_ignore_ascii_case("signal").then_some(value)
        })?,
        "application/dtmf" => text,
        _ => return None,
    };
    code_of(signal.trim())
}

fn code_of(signal: &str) -> Option<(u8, char)> {
    // Some gateways write star and hash as the numbers of their events.
    let signal = match signal {
        "10" => "*",
        "11" => "#",
        other => other,
    };
    let mut characters = signal.chars();
    let digit = characters.next()?.to_ascii_uppercase();
    if characters.next().is_some() {
        return None;
    }
    let code = "0123456789*#ABCD".find(digit)?;
    Some((u8::try_from(code).ok()?, digit))
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn both_forms_and_their_dialects() {
        assert_eq!(key("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n"), Some((5, '5')));
        assert_eq!(key("application/dtmf-relay", b"Signal= *\nDuration=100"), Some((10, '*')));
        assert_eq!(key("Application/DTMF-Relay; x=y", b"signal=11"), Some((11, '#')));
        assert_eq!(key("application/dtmf", b"d\r\n"), Some((15, 'D')));
    }

    #[test]
    fn what_is_no_key_is_none() {
        for body in [&b""[..], b"Signal=", b"Signal=55", b"Duration=5", b"Signal=x", b"\xff\xfe"] {
            assert_eq!(key("application/dtmf-relay", body), None);
        }
        assert_eq!(key("text/plain", b"5"), None);
    }
}
