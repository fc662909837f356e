//! What a message must have before anybody acts on it.

use crate::{
    Message,
    address::split_list,
    message::{Fault, Parts, Start, fault, long_name},
};
use trunkline_types::limits;

const ONCE: [&str; 6] = ["From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Type"];

pub(crate) fn check(message: &Message, parts: &Parts) -> Result<(), Fault> {
    for name in ["Via", "From", "To", "Call-ID"] {
        if message.find(name).next().is_none_or(str::is_empty) {
            return Err(fault(400, format!("{name} is missing")));
        }
    }
    for name in ONCE {
        if message.find(name).nth(1).is_some() {
            return Err(fault(400, format!("{name} stands twice")));
        }
    }
    let entries = |name: &str| message.find(name).map(|v| split_list(v).len()).sum::<usize>();
    if entries("Via") > limits::VIAS || entries("Route") > limits::ROUTES || entries("Record-Route") > limits::ROUTES {
        return Err(fault(400, "there are too many Via or Route entries"));
    }
    let via = message.find("Via").next().unwrap_or_default();
    let top = split_list(via).into_iter().next().unwrap_or_default();
    if !top.contains('/') || !top.contains([' ', '\t']) {
        return Err(fault(400, "the top Via cannot be read"));
    }
    if let Some(forwards) = message.find("Max-Forwards").next()
        && (forwards.is_empty() || !forwards.bytes().all(|b| b.is_ascii_digit()) || forwards.parse::<u8>().is_err())
    {
        return Err(fault(400, "Max-Forwards is not a number up to 255"));
    }
    for name in ["From", "To"] {
        let value = message.find(name).next().unwrap_or_default();
        if value.bytes().filter(|b| *b == b'"').count() % 2 == 1 && !value.contains('\\') {
            return Err(fault(400, format!("a quote in {name} is not closed")));
        }
    }
    if let Start::Request { method, uri } = &parts.start {
        if parts.cseq_method() != method {
            let known = crate::stack::is_known_method(method);
            return Err(fault(if known { 400 } else { 501 }, "the method of CSeq is another one"));
        }
        if uri.starts_with('<') || uri.contains(['<', '>', '"']) || uri.matches('@').count() > 1 {
            return Err(fault(400, "the Request-URI cannot be read"));
        }
        let is_sip = uri.get(..4).is_some_and(|s| s.eq_ignore_ascii_case("sip:"));
        if is_sip && uri.contains('?') {
            return Err(fault(400, "the Request-URI carries headers"));
        }
    }
    debug_assert!(long_name("v") == "Via");
    Ok(())
}
