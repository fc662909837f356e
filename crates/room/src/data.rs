//! LiveKit's `DataPacket`: who sent it is stamped by the room, whatever the sender wrote.
//!
//! Packets are worked on at the level of Protocol Buffers' tags, so that fields and values that are
//! not known here reach the receivers as they were sent.

use crate::wire::{Field, fields, put_bytes, put_number, put_text};
use trunkline_types::ParticipantSid;

/// Fields of `DataPacket`.
mod packet {
    pub(super) const KIND: u32 = 1;
    pub(super) const USER: u32 = 2;
    pub(super) const IDENTITY: u32 = 4;
    pub(super) const DESTINATIONS: u32 = 5;
    pub(super) const SIP_DTMF: u32 = 6;
    pub(super) const TRANSCRIPTION: u32 = 7;
    pub(super) const METRICS: u32 = 8;
    pub(super) const CHAT: u32 = 9;
    pub(super) const RPC_REQUEST: u32 = 10;
    pub(super) const RPC_ACK: u32 = 11;
    pub(super) const RPC_RESPONSE: u32 = 12;
    pub(super) const STREAM_HEADER: u32 = 13;
    pub(super) const SEQUENCE: u32 = 16;
    pub(super) const SID: u32 = 17;
    /// The fields of which a packet has one.
    pub(super) const VALUES: [u32; 13] = [2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 18];
}

/// Fields of `UserPacket`.
mod user {
    pub(super) const SID: u32 = 1;
    pub(super) const DESTINATION_SIDS: u32 = 3;
    pub(super) const IDENTITY: u32 = 5;
    pub(super) const DESTINATIONS: u32 = 6;
    pub(super) const NONCE: u32 = 11;
}

const TEXT_HEADER: u32 = 9;
const TEXT_GENERATED: u32 = 5;
const CHAT_GENERATED: u32 = 6;

/// How long an RPC's payload may be, bytes.
pub const RPC_PAYLOAD_BYTES: usize = 15_360;
/// LiveKit's error code for an RPC method that is not known.
pub const RPC_UNSUPPORTED_METHOD: u32 = 1400;
/// LiveKit's error code for an RPC that its method refuses.
pub const RPC_APPLICATION_ERROR: u32 = 1500;
/// LiveKit's error code for an answer that is too long.
pub const RPC_RESPONSE_TOO_LARGE: u32 = 1504;

/// Who sends.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// Its sid.
    pub sid: &'a ParticipantSid,
    /// Its identity.
    pub identity: &'a str,
    /// Nobody learns its identity.
    pub hidden: bool,
    /// It may speak for others: transcriptions.
    pub agent: bool,
}

/// What a packet holds, as far as the room acts on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// `UserPacket`, with its nonce if it has one of 16 bytes.
    User(Option<[u8; 16]>),
    /// `SipDTMF`.
    SipDtmf {
        /// The RFC 4733 event code.
        code: u32,
        /// One or more digits.
        digit: String,
    },
    /// `RpcRequest`.
    RpcRequest {
        /// Its id.
        id: String,
        /// What is asked for.
        method: String,
        /// With what.
        payload: String,
    },
    /// `RpcAck` of the request with this id.
    RpcAck(String),
    /// `RpcResponse` to the request with this id: its payload, or code and message of an error.
    RpcResponse(String, Result<String, (u32, String)>),
    /// Anything that is forwarded without a look.
    Other,
}

/// A packet ready to be forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamped {
    /// The `DataPacket`.
    pub bytes: Vec<u8>,
    /// The number its sender gave it; 0 for none.
    pub sequence: u32,
    /// To these identities alone, if there are any.
    pub to_identities: Vec<String>,
    /// To these sids alone, if there are any and no identity is named.
    pub to_sids: Vec<String>,
    /// What it holds.
    pub content: Content,
}

/// A packet taken apart.
struct Parts<'a> {
    sequence: u32,
    identity: &'a str,
    destinations: Vec<&'a str>,
    /// Field and content; several of the same field are one message in pieces.
    value: Option<(u32, Vec<u8>)>,
    unknown: Vec<Field<'a>>,
}

fn parts(payload: &[u8]) -> Option<Parts<'_>> {
    let mut parts = Parts { sequence: 0, identity: "", destinations: Vec::new(), value: None, unknown: Vec::new() };
    for field in fields(payload)? {
        match field.number {
            packet::KIND => _ = field.value.varint()?,
            packet::SID => _ = field.value.text()?,
            packet::IDENTITY => parts.identity = field.value.text()?,
            packet::DESTINATIONS => parts.destinations.push(field.value.text()?),
            packet::SEQUENCE => parts.sequence = field.value.varint()? as u32,
            number if packet::VALUES.contains(&number) => {
                let content = field.value.bytes()?;
                match &mut parts.value {
                    Some((held, pieces)) if *held == number => pieces.extend_from_slice(content),
                    other => *other = Some((number, content.to_vec())),
                }
            }
            _ => parts.unknown.push(field),
        }
    }
    Some(parts)
}

/// Stamps a packet that a participant sent with who it is; `None` for one that is not forwarded:
/// malformed, metrics, or a transcription by somebody who is not an agent.
pub fn stamp(payload: &[u8], sender: &Sender<'_>, reliable: bool) -> Option<Stamped> {
    let parts = parts(payload)?;
    let own = if sender.hidden { "" } else { sender.identity };
    let (mut identity, mut generated) = (own, false);
    let mut destinations: Vec<String> = parts.destinations.iter().map(|d| (*d).to_owned()).collect();
    let mut to_sids = Vec::new();
    let (mut content, mut value) = (Content::Other, parts.value);
    if let Some((number, held)) = &mut value {
        let foreign = !parts.identity.is_empty() && parts.identity != sender.identity;
        match *number {
            packet::METRICS => return None,
            packet::TRANSCRIPTION if !sender.agent => return None,
            packet::STREAM_HEADER if sender.agent && foreign => generated = generate(held, Some(TEXT_HEADER))?,
            packet::CHAT if sender.agent && foreign => generated = generate(held, None)?,
            packet::USER => {
                let (stamped, nonce) = stamp_user(held, own, sender.sid, &mut destinations, &mut to_sids)?;
                *held = stamped;
                content = Content::User(nonce);
            }
            number => content = read(number, held)?,
        }
    }
    if generated {
        identity = parts.identity;
    }
    let mut bytes = Vec::with_capacity(payload.len() + 64);
    put_number(&mut bytes, packet::KIND, u64::from(!reliable));
    if let Some((number, held)) = &value {
        put_bytes(&mut bytes, *number, held);
    }
    put_text(&mut bytes, packet::IDENTITY, identity);
    for destination in &destinations {
        put_text(&mut bytes, packet::DESTINATIONS, destination);
    }
    put_number(&mut bytes, packet::SEQUENCE, parts.sequence.into());
    put_text(&mut bytes, packet::SID, sender.sid.as_str());
    for field in parts.unknown {
        bytes.extend_from_slice(field.raw);
    }
    destinations.retain(|d| !d.is_empty());
    Some(Stamped { bytes, sequence: parts.sequence, to_identities: destinations, to_sids, content })
}

/// Marks a text as generated: a chat message, or a stream's header if it is one of text. Whether
/// it was one.
fn generate(message: &mut Vec<u8>, within: Option<u32>) -> Option<bool> {
    let Some(within) = within else {
        mark(message, CHAT_GENERATED)?;
        return Some(true);
    };
    let (mut out, mut texts, mut is_text) = (Vec::with_capacity(message.len() + 4), Vec::new(), false);
    for field in fields(message)? {
        if field.number == within {
            texts.extend_from_slice(field.value.bytes()?);
            is_text = true;
        } else {
            out.extend_from_slice(field.raw);
        }
    }
    if is_text {
        mark(&mut texts, TEXT_GENERATED)?;
        put_bytes(&mut out, within, &texts);
        *message = out;
    }
    Some(is_text)
}

fn mark(message: &mut Vec<u8>, flag: u32) -> Option<()> {
    let mut out = Vec::with_capacity(message.len() + 2);
    for field in fields(message)?.iter().filter(|f| f.number != flag) {
        out.extend_from_slice(field.raw);
    }
    put_number(&mut out, flag, 1);
    *message = out;
    Some(())
}

/// A `UserPacket` repeats the sender and the destinations.
fn stamp_user(
    message: &[u8],
    identity: &str,
    sid: &ParticipantSid,
    destinations: &mut Vec<String>,
    to_sids: &mut Vec<String>,
) -> Option<(Vec<u8>, Option<[u8; 16]>)> {
    let (mut out, mut own, mut nonce) = (Vec::with_capacity(message.len() + 64), Vec::new(), None);
    put_text(&mut out, user::SID, sid.as_str());
    for field in fields(message)? {
        match field.number {
            user::SID | user::IDENTITY => continue,
            user::DESTINATIONS => {
                own.push(field.value.text()?.to_owned());
                continue;
            }
            user::DESTINATION_SIDS => to_sids.push(field.value.text()?.to_owned()),
            user::NONCE => nonce = field.value.bytes()?.try_into().ok(),
            _ => {}
        }
        out.extend_from_slice(field.raw);
    }
    if destinations.is_empty() {
        *destinations = own;
    }
    put_text(&mut out, user::IDENTITY, identity);
    for destination in destinations.iter() {
        put_text(&mut out, user::DESTINATIONS, destination);
    }
    Some((out, nonce))
}

fn read(number: u32, message: &[u8]) -> Option<Content> {
    let fields = fields(message)?;
    let last = |number| fields.iter().rev().find(|f| f.number == number).map(|f| f.value);
    let text = |number| last(number).map_or(Some(String::new()), |v| v.text().map(str::to_owned));
    Some(match number {
        packet::SIP_DTMF => Content::SipDtmf {
            code: last(3).map_or(Some(0), |v| v.varint())?.try_into().unwrap_or(u32::MAX),
            digit: text(4)?,
        },
        packet::RPC_REQUEST => Content::RpcRequest { id: text(1)?, method: text(2)?, payload: text(3)? },
        packet::RPC_ACK => Content::RpcAck(text(1)?),
        packet::RPC_RESPONSE => {
            let result = match last(3) {
                Some(error) => Err(read_error(error.bytes()?)?),
                None => Ok(text(2)?),
            };
            Content::RpcResponse(text(1)?, result)
        }
        _ => Content::Other,
    })
}

fn read_error(message: &[u8]) -> Option<(u32, String)> {
    let (mut code, mut text) = (0, String::new());
    for field in fields(message)? {
        match field.number {
            1 => code = field.value.varint()?.try_into().unwrap_or(u32::MAX),
            2 => text = field.value.text()?.to_owned(),
            _ => {}
        }
    }
    Some((code, text))
}

/// A packet that a server application sends by the API: it holds its `user` value alone, and has
/// no sender. The second part is its nonce, if it has one of 16 bytes. `None` if it is malformed.
pub fn from_server(payload: &[u8], reliable: bool, destinations: &[String]) -> Option<(Vec<u8>, Option<[u8; 16]>)> {
    let (number, message) = parts(payload)?.value.filter(|(number, _)| *number == packet::USER)?;
    let nonce = fields(&message)?.iter().find(|f| f.number == user::NONCE).and_then(|f| f.value.bytes());
    let nonce = nonce.and_then(|nonce| nonce.try_into().ok());
    let mut bytes = Vec::with_capacity(payload.len() + 64);
    put_number(&mut bytes, packet::KIND, u64::from(!reliable));
    put_bytes(&mut bytes, number, &message);
    for destination in destinations {
        put_text(&mut bytes, packet::DESTINATIONS, destination);
    }
    Some((bytes, nonce))
}

/// A packet of a participant of our own, with its value.
fn own(sender: &Sender<'_>, to: &str, number: u32, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(value.len() + 96);
    put_bytes(&mut bytes, number, value);
    put_text(&mut bytes, packet::IDENTITY, if sender.hidden { "" } else { sender.identity });
    put_text(&mut bytes, packet::DESTINATIONS, to);
    put_text(&mut bytes, packet::SID, sender.sid.as_str());
    bytes
}

/// The packet of digits that a caller dialled.
pub fn sip_dtmf(sender: &Sender<'_>, code: u32, digit: &str) -> Vec<u8> {
    let mut value = Vec::new();
    put_number(&mut value, 3, code.into());
    put_text(&mut value, 4, digit);
    own(sender, "", packet::SIP_DTMF, &value)
}

/// "The request has come."
pub fn rpc_ack(sender: &Sender<'_>, to: &str, request_id: &str) -> Vec<u8> {
    let mut value = Vec::new();
    put_text(&mut value, 1, request_id);
    own(sender, to, packet::RPC_ACK, &value)
}

/// "The request is done."
pub fn rpc_response(sender: &Sender<'_>, to: &str, request_id: &str, payload: &str) -> Vec<u8> {
    let mut value = Vec::new();
    put_text(&mut value, 1, request_id);
    put_text(&mut value, 2, payload);
    own(sender, to, packet::RPC_RESPONSE, &value)
}

/// "The request cannot be done."
pub fn rpc_error(sender: &Sender<'_>, to: &str, request_id: &str, code: u32, message: &str) -> Vec<u8> {
    let (mut error, mut value) = (Vec::new(), Vec::new());
    put_number(&mut error, 1, code.into());
    put_text(&mut error, 2, message);
    put_text(&mut value, 1, request_id);
    put_bytes(&mut value, 3, &error);
    own(sender, to, packet::RPC_RESPONSE, &value)
}

/// A request of the server's own. Clients refuse one without a caller, so the request's id stands
/// in for it.
pub fn rpc_request(id: &str, to: &str, method: &str, payload: &str, response_timeout_ms: u32) -> Vec<u8> {
    let mut value = Vec::new();
    put_text(&mut value, 1, id);
    put_text(&mut value, 2, method);
    put_text(&mut value, 3, payload);
    put_number(&mut value, 4, response_timeout_ms.into());
    put_number(&mut value, 5, 1);
    let mut bytes = Vec::with_capacity(value.len() + 96);
    put_bytes(&mut bytes, packet::RPC_REQUEST, &value);
    put_text(&mut bytes, packet::IDENTITY, id);
    put_text(&mut bytes, packet::DESTINATIONS, to);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(parts: &[(u32, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (number, value) in parts {
            put_bytes(&mut out, *number, value);
        }
        out
    }

    fn sender(sid: &ParticipantSid) -> Sender<'_> {
        Sender { sid, identity: "ann", hidden: false, agent: false }
    }

    /// Bytes of a `DataPacket`, written out by hand.
    #[test]
    fn a_user_packet_is_stamped_to_the_byte() {
        let sid = ParticipantSid::from("PA_1");
        let sent = b"\x08\x01\x12\x0a\x0a\x02xx\x12\x01p\x22\x01t\x22\x03eve\x80\x01\x05\x8a\x01\x02no\xfa\x01\x01?";
        let stamped = stamp(sent, &sender(&sid), true).expect("well-formed");
        let golden =
            b"\x12\x11\x0a\x04PA_1\x12\x01p\x22\x01t\x2a\x03ann\x22\x03ann\x80\x01\x05\x8a\x01\x04PA_1\xfa\x01\x01?";
        assert_eq!(stamped.bytes.escape_ascii().to_string(), golden.escape_ascii().to_string());
        assert_eq!((stamped.sequence, stamped.content), (5, Content::User(None)));
        assert!(stamped.to_identities.is_empty() && stamped.to_sids.is_empty());
    }

    #[test]
    fn destinations_are_copied_both_ways() {
        let sid = ParticipantSid::from("PA_1");
        let inner = message(&[(2, b"p"), (6, b"bob")]);
        let outer = stamp(&message(&[(2, &inner)]), &sender(&sid), false).expect("well-formed");
        assert_eq!(outer.to_identities, ["bob"]);
        assert_eq!(parts(&outer.bytes).expect("ours").destinations, ["bob"]);
        let inner = message(&[(2, b"p")]);
        let other = stamp(&message(&[(2, &inner), (5, b"bob")]), &sender(&sid), false).expect("well-formed");
        let value = parts(&other.bytes).expect("ours").value.expect("a value").1;
        assert!(fields(&value).expect("ours").iter().any(|f| f.number == 6 && f.value.text() == Some("bob")));
    }

    #[test]
    fn an_agent_may_speak_for_somebody_in_text_alone() {
        let sid = ParticipantSid::from("PA_1");
        let agent = Sender { agent: true, ..sender(&sid) };
        let identity = |stamped: &Stamped| parts(&stamped.bytes).expect("ours").identity.to_owned();
        let text = message(&[(4, b"caller"), (13, &message(&[(1, b"id"), (9, &[]), (77, b"new")]))]);
        let stamped = stamp(&text, &agent, true).expect("well-formed");
        assert_eq!(identity(&stamped), "caller");
        let header = parts(&stamped.bytes).expect("ours").value.expect("a value").1;
        let header = fields(&header).expect("ours");
        let text_header = header.iter().find(|f| f.number == 9).and_then(|f| f.value.bytes()).expect("a text");
        assert_eq!(text_header, [5 << 3, 1], "generated");
        assert!(header.iter().any(|f| f.number == 77), "unknown fields survive");
        assert_eq!(identity(&stamp(&text, &sender(&sid), true).expect("well-formed")), "ann");
        for (field, value) in [(14, &b""[..]), (15, b""), (10, b""), (13, b"\x52\x00")] {
            let stamped = stamp(&message(&[(4, b"caller"), (field, value)]), &agent, true).expect("well-formed");
            assert_eq!(identity(&stamped), "ann", "{field}");
        }
        let chat = stamp(&message(&[(4, b"caller"), (9, b"\x22\x02hi")]), &agent, true).expect("well-formed");
        assert_eq!(identity(&chat), "caller");
        assert_eq!(parts(&chat.bytes).expect("ours").value.expect("a value").1, b"\x22\x02hi\x30\x01");
    }

    #[test]
    fn the_hidden_have_no_identity_and_nobody_splits_a_value_to_forge_one() {
        let sid = ParticipantSid::from("PA_1");
        let hidden = Sender { hidden: true, ..sender(&sid) };
        let split = message(&[(2, &message(&[(2, b"a"), (5, b"eve")])), (2, &message(&[(5, b"eve")]))]);
        let stamped = stamp(&split, &hidden, true).expect("well-formed");
        assert!(!stamped.bytes.windows(3).any(|w| w == b"eve" || w == b"ann"));
        let two = message(&[(2, &message(&[(5, b"eve")])), (9, b"")]);
        assert!(!stamp(&two, &hidden, true).expect("well-formed").bytes.windows(3).any(|w| w == b"eve"));
    }

    #[test]
    fn what_is_not_forwarded() {
        let sid = ParticipantSid::from("PA_1");
        assert_eq!(stamp(&message(&[(8, b"")]), &sender(&sid), true), None);
        assert_eq!(stamp(&message(&[(7, b"")]), &sender(&sid), true), None);
        assert_eq!(stamp(b"\x10\x01", &sender(&sid), true), None, "a value that is no message");
        let agent = Sender { agent: true, ..sender(&sid) };
        assert!(stamp(&message(&[(7, b"")]), &agent, true).is_some());
        assert!(stamp(b"", &agent, true).is_some(), "no value at all");
    }

    #[test]
    fn what_we_write_we_read() {
        let sid = ParticipantSid::from("PA_1");
        let read = |bytes: Vec<u8>| stamp(&bytes, &sender(&sid), true).expect("well-formed");
        let digit = Content::SipDtmf { code: 5, digit: "5".into() };
        assert_eq!(read(sip_dtmf(&sender(&sid), 5, "5")).content, digit);
        assert_eq!(read(rpc_ack(&sender(&sid), "bob", "r")).content, Content::RpcAck("r".into()));
        let error = Content::RpcResponse("r".into(), Err((1400, "no".into())));
        assert_eq!(read(rpc_error(&sender(&sid), "bob", "r", 1400, "no")).content, error);
        let done = Content::RpcResponse("r".into(), Ok("{}".into()));
        assert_eq!(read(rpc_response(&sender(&sid), "bob", "r", "{}")).content, done);
        let request = read(rpc_request("r", "bob", "m", "p", 10_000));
        let wanted = Content::RpcRequest { id: "r".into(), method: "m".into(), payload: "p".into() };
        assert_eq!((request.content, request.to_identities), (wanted, vec!["bob".into()]));
    }

    #[test]
    fn no_cut_or_flipped_packet_panics() {
        let sid = ParticipantSid::from("PA_1");
        let agent = Sender { agent: true, ..sender(&sid) };
        let packets = [
            message(&[(4, b"x"), (13, &message(&[(9, &message(&[(3, b"r")]))]))]),
            message(&[(2, &message(&[(2, b"p"), (11, &[7; 16])])), (5, b"bob")]),
            rpc_error(&agent, "b", "r", 1, "m"),
        ];
        for packet in packets {
            for at in 0..packet.len() {
                let _ = stamp(&packet[..at], &agent, true);
                let _ = from_server(&packet[..at], true, &[]);
                for bit in 0..8 {
                    let mut flipped = packet.clone();
                    flipped[at] ^= 1 << bit;
                    let _ = stamp(&flipped, &agent, true);
                }
            }
        }
    }
}
