//! The ladder: every message of a call as it was on the wire, credentials blanked.

use crate::{Exchange, Output};
use trunkline_call::record::LadderEntry;
use trunkline_sip::flow::Flow;
use trunkline_types::{CallId, Time, limits};

/// Headers whose values are never kept.
const SECRET: [&str; 4] = ["authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate"];

impl Exchange {
    pub(crate) fn trace(
        &mut self,
        call: &CallId,
        sent: bool,
        flow: &Flow,
        bytes: &[u8],
        at: Time,
        outputs: &mut Vec<Output>,
    ) {
        let Some(entry) = self.calls.get_mut(call) else { return };
        if entry.traced >= limits::LADDER_ENTRIES {
            return;
        }
        entry.traced += 1;
        let mut message = ladder_entry(sent, flow, bytes, at);
        if entry.call.is_prompting() && message.start_line.starts_with("INFO ") {
            blank_body(&mut message.text);
        }
        outputs.push(Output::Trace(call.clone(), Box::new(message)));
    }
}

fn ladder_entry(sent: bool, flow: &Flow, bytes: &[u8], at: Time) -> LadderEntry {
    let text = String::from_utf8_lossy(bytes);
    let mut blanked = String::with_capacity(text.len());
    let mut in_head = true;
    for line in text.split_inclusive('\n') {
        in_head &= !line.trim_end().is_empty();
        match line.split_once(':') {
            Some((name, _)) if in_head && SECRET.iter().any(|s| name.trim().eq_ignore_ascii_case(s)) => {
                blanked.push_str(name);
                blanked.push_str(": (withheld)\r\n");
            }
            _ => blanked.push_str(line),
        }
    }
    LadderEntry {
        at_us: at.unix_nanos() / 1_000,
        sent,
        transport: flow.protocol.as_str().into(),
        remote: flow.remote.to_string(),
        start_line: blanked.lines().next().unwrap_or_default().to_owned(),
        text: blanked,
    }
}

/// The keys of a pin are nobody's business.
fn blank_body(text: &mut String) {
    if let Some(end) = text.find("\r\n\r\n") {
        text.truncate(end);
        text.push_str("\r\n\r\n(withheld)");
    }
}

/// The Call-ID of a message of ours.
pub(crate) fn call_id_of(bytes: &[u8]) -> Option<&str> {
    bytes.split(|b| *b == b'\n').take_while(|line| !line.is_empty() && *line != b"\r").find_map(|line| {
        let colon = line.iter().position(|b| *b == b':')?;
        let (name, value) = line.split_at(colon);
        let name = name.trim_ascii();
        let is_call_id = name.eq_ignore_ascii_case(b"call-id") || name.eq_ignore_ascii_case(b"i");
        is_call_id.then(|| std::str::from_utf8(&value[1..]).ok().map(str::trim)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::call_id_of;

    #[test]
    fn the_call_id_is_found_in_long_and_compact_form() {
        assert_eq!(call_id_of(b"BYE sip:a SIP/2.0\r\nCall-ID: x@y\r\n\r\n"), Some("x@y"));
        assert_eq!(call_id_of(b"BYE sip:a SIP/2.0\r\ni:x@y\r\n\r\n"), Some("x@y"));
        assert_eq!(call_id_of(b"BYE sip:a SIP/2.0\r\n\r\nCall-ID: body\r\n"), None);
    }
}
