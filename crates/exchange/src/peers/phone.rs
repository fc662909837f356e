//! Requests to participants that are no clients: telephones end their call and tell its headers,
//! built-in participants know no method.

use crate::{Exchange, Output};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use trunkline_call::{Event, RoomEvent};
use trunkline_room::{
    Kind,
    data::{self, RPC_APPLICATION_ERROR, RPC_PAYLOAD_BYTES, RPC_RESPONSE_TOO_LARGE, RPC_UNSUPPORTED_METHOD, Sender},
};
use trunkline_types::{CallId, ParticipantSid, Time, is_reserved_header, limits, policy::CallControl};

/// Participants that one request of a client is answered for.
const MAX_ASKED: usize = 8;
/// Calls that end in a moment; further ones do at once.
const MAX_ENDING: usize = 1_024;
/// How long a call goes on that a client has ended. The answer takes the data channel and the news that
/// the caller has left takes the WebSocket: if that overtook it, the SDK would say that the recipient
/// has gone instead of what it answered.
const ENDS_AFTER: Duration = Duration::from_millis(100);
/// Headers that one request may give.
const MAX_HEADERS: usize = 64;

/// A request of a client.
pub(super) struct Asked<'a> {
    pub(super) id: &'a str,
    pub(super) method: &'a str,
    pub(super) payload: &'a str,
    pub(super) to: &'a [String],
}

/// The payload of `lk.sip.EndCall`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct EndCall {
    headers: BTreeMap<String, String>,
}

/// The payload of `lk.sip.GetRemoteHeaders`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct GetRemoteHeaders {
    include: Vec<String>,
    exclude: Vec<String>,
}

/// What it answers.
#[derive(Serialize)]
struct RemoteHeaders {
    headers: BTreeMap<String, String>,
}

/// A payload, or an error's code and text.
type Answer = Result<String, (u32, String)>;

impl Exchange {
    /// A client asks something of participants that are no clients. Each acknowledges at once.
    pub(super) fn ask_phones(
        &mut self,
        room: &str,
        from: &ParticipantSid,
        asked: &Asked<'_>,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let Some(asker) = self.peers.get(from) else { return };
        let is_agent = asker.permission.agent || asker.kind == Kind::Agent;
        let (room_sid, asker) = (asker.room.clone(), asker.identity.clone());
        for identity in asked.to.iter().collect::<BTreeSet<_>>().into_iter().take(MAX_ASKED) {
            let Ok(participant) = self.rooms.participant(room, identity) else { continue };
            if self.peers.get(&participant.sid).is_some() {
                continue;
            }
            let answer = self.asked(&participant.sid, asked.method, asked.payload, is_agent, Some(now + ENDS_AFTER));
            let hidden = participant.permission.hidden;
            let sender = Sender { sid: &participant.sid, identity, hidden, agent: false };
            let ack = data::rpc_ack(&sender, &asker, asked.id);
            let response = match answer {
                Ok(payload) => data::rpc_response(&sender, &asker, asked.id, &payload),
                Err((code, text)) => data::rpc_error(&sender, &asker, asked.id, code, &text),
            };
            for bytes in [ack, response] {
                self.send_own(&room_sid, &participant.sid, std::slice::from_ref(&asker), bytes, now, outputs);
            }
        }
    }

    /// What a participant that is no client answers. `trusted` are agents and API clients; a call that
    /// is to end does so at `ends_at`, or at once.
    pub(super) fn asked(
        &mut self,
        of: &ParticipantSid,
        method: &str,
        payload: &str,
        trusted: bool,
        ends_at: Option<Time>,
    ) -> Answer {
        let unsupported = || (RPC_UNSUPPORTED_METHOD, "Method not supported at destination".to_owned());
        let call = self.calls.by_participant.get(of).cloned().ok_or_else(unsupported)?;
        let entry = self.calls.get(&call).ok_or_else(unsupported)?;
        if !matches!(method, "lk.sip.EndCall" | "lk.sip.GetRemoteHeaders") {
            return Err(unsupported());
        }
        if !trusted && entry.call.facts().setup.call_control == CallControl::Agents {
            return refused("only agents may do this; the option call_control of the trunk or rule lets others");
        }
        match method {
            "lk.sip.EndCall" => self.end_call(call, payload, ends_at),
            _ => self.remote_headers(&call, payload),
        }
    }

    fn end_call(&mut self, call: CallId, payload: &str, ends_at: Option<Time>) -> Answer {
        let EndCall { headers } = read(payload)?;
        if headers.len() > MAX_HEADERS {
            return refused(&format!("more than {MAX_HEADERS} headers"));
        }
        for (name, value) in &headers {
            check_header(name, value)?;
        }
        let requested = RoomEvent::EndRequested { headers: headers.into_iter().collect() };
        match ends_at {
            Some(at) if self.peers.rpcs.ending.len() < MAX_ENDING => {
                self.peers.rpcs.ending.push_back((at, call, requested));
            }
            _ => self.events.push_back((call, Event::Room(requested))),
        }
        Ok("{}".into())
    }

    fn remote_headers(&self, call: &CallId, payload: &str) -> Answer {
        let GetRemoteHeaders { include, exclude } = read(payload)?;
        let headers = self.calls.get(call).map(|e| e.call.facts().remote_headers(&include, &exclude));
        let answer = RemoteHeaders { headers: headers.unwrap_or_default() };
        let text = serde_json::to_string(&answer).map_err(|e| (RPC_APPLICATION_ERROR, e.to_string()))?;
        if text.len() > RPC_PAYLOAD_BYTES {
            return Err((RPC_RESPONSE_TOO_LARGE, "the headers are too long; name those you need in include".into()));
        }
        Ok(text)
    }
}

fn refused(text: &str) -> Answer {
    Err((RPC_APPLICATION_ERROR, text.into()))
}

/// Reads a payload; an empty one is an empty object.
fn read<T: Default + for<'de> Deserialize<'de>>(payload: &str) -> Result<T, (u32, String)> {
    if payload.trim().is_empty() {
        return Ok(T::default());
    }
    serde_json::from_str(payload).map_err(|e| (RPC_APPLICATION_ERROR, format!("the payload does not fit: {e}")))
}

/// A header that may stand in a message of ours (RFC 3261 §25.1: `token`, and no line break).
fn check_header(name: &str, value: &str) -> Result<(), (u32, String)> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b);
    let error = |what: &str| Err((RPC_APPLICATION_ERROR, format!("header {name:?} {what}")));
    if name.is_empty() || name.len() > limits::NAME_CHARS || !name.bytes().all(token) {
        return error("is not a header's name");
    }
    if is_reserved_header(name) {
        return error("belongs to the dialog and cannot be given");
    }
    if value.chars().any(|c| c.is_control() && c != '\t') {
        return error("has a control character in its value");
    }
    if value.len() > limits::API_HEADER_VALUE_BYTES {
        return error(&format!("has a value longer than {} bytes", limits::API_HEADER_VALUE_BYTES));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_header;
    use trunkline_types::limits::API_HEADER_VALUE_BYTES;

    #[test]
    fn headers_that_would_break_a_message_are_refused() {
        for (name, value) in [
            ("", "a"),
            ("X A", "a"),
            ("X-A\r\nVia", "a"),
            ("Via", "a"),
            ("v", "a"),
            ("X-A", "a\r\nVia: b"),
            ("X-A", "a\0"),
            ("X-Ä", "a"),
        ] {
            assert!(check_header(name, value).is_err(), "{name:?} {value:?}");
        }
        let long = "a".repeat(API_HEADER_VALUE_BYTES);
        for (name, value) in [("X-A", ""), ("Reason", "SIP;cause=200"), ("X-A", "grün\t{}"), ("X-A", &long)] {
            assert_eq!(check_header(name, value), Ok(()));
        }
        assert!(check_header("X-A", &format!("{long}a")).is_err());
    }
}
