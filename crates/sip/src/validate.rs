//! What a message must have before anybody acts on it.

use crate::{
    Message, address,
    address::split_list,
    fault::{Fault, fault},
    message::Start,
    number::number,
    via::Via,
};
use trunkline_types::limits;

const ONCE: [&str; 6] = ["From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Type"];

pub(crate) fn check(message: &Message) -> Result<(), Fault> {
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
    match &message.parts().start {
        Start::Request { method, uri } => check_request(message, method, uri),
        // Whom a response belongs to is told by its branch; the rest is not looked at.
        Start::Response { .. } => Ok(()),
    }
}

fn check_request(message: &Message, method: &str, uri: &str) -> Result<(), Fault> {
    check_vias(message)?;
    if message.parts().cseq_method != method {
        let known = crate::stack::is_known_method(method);
        return Err(fault(if known { 400 } else { 501 }, "the method of CSeq is another one"));
    }
    if message.find("Max-Forwards").next().is_some_and(|hops| number(hops, 255).is_none()) {
        return Err(fault(400, "Max-Forwards is not a number up to 255"));
    }
    if let Some(why) = address::uri_fault(uri).or_else(|| address::request_uri_fault(uri)) {
        return Err(fault(400, format!("the Request-URI {why}")));
    }
    for name in ["From", "To"] {
        if let Some(why) = message.find(name).next().and_then(address::fault) {
            return Err(fault(400, format!("{name} {why}")));
        }
    }
    let contacts = message.find("Contact").filter(|value| !value.is_empty());
    if let Some(why) = contacts.flat_map(split_list).find_map(address::fault) {
        return Err(fault(400, format!("Contact {why}")));
    }
    // RFC 3261 §20.17 knows no other zone; strict where RFC 4475 §3.1.2.12 leaves the choice.
    if message.find("Date").next().is_some_and(|date| !date.ends_with(" GMT")) {
        return Err(fault(400, "Date is not in GMT"));
    }
    Ok(())
}

/// The answer goes by the top one; of the others it is enough that they can be copied.
fn check_vias(message: &Message) -> Result<(), Fault> {
    for (index, hop) in message.find("Via").flat_map(split_list).enumerate() {
        let via = Via::read(hop);
        if let Some(why) = if index == 0 { via.fault() } else { via.unreadable() } {
            return Err(fault(400, why));
        }
    }
    Ok(())
}
