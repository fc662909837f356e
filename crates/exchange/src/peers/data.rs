//! Data packets: from a participant or the API to those who shall have them.

use super::{phone::Asked, replay::Sent};
use crate::{
    Exchange, Output,
    command::{ApiError, Code, Reply},
};
use bytes::Bytes;
use std::{collections::BTreeSet, time::Duration};
use trunkline_call::{
    Event, RoomEvent,
    media::peer::{PeerPlan, Side},
};
use trunkline_room::data::{self, Content, Sender};
use trunkline_types::{ParticipantSid, RoomSid, Time};

/// A data packet, bytes: clients send 64,000 at most, and with our stamp it fits into 64 KiB.
const MAX_BYTES: usize = 65_024;
/// How old what a newcomer gets may be.
const FOR_NEWCOMERS: Duration = Duration::from_secs(2);
/// What a resuming client gets of senders it has heard nothing of begins so long before it was cut.
const BEFORE_THE_CUT: Duration = Duration::from_secs(2);

/// Whom a packet is for.
struct Destinations<'a> {
    identities: BTreeSet<&'a str>,
    sids: BTreeSet<&'a str>,
}

impl<'a> Destinations<'a> {
    /// These identities, or these sids, or everybody.
    fn new(identities: &'a [String], sids: impl Iterator<Item = &'a str>) -> Self {
        Self { identities: identities.iter().map(String::as_str).collect(), sids: sids.collect() }
    }

    fn everybody(&self) -> bool {
        self.identities.is_empty() && self.sids.is_empty()
    }

    fn include(&self, identity: &str, sid: &ParticipantSid) -> bool {
        self.everybody() || self.sids.contains(sid.as_str()) || self.identities.contains(identity)
    }
}

/// A packet on its way.
struct Outgoing<'a> {
    room: &'a RoomSid,
    /// `None` for the server.
    from: Option<&'a ParticipantSid>,
    destinations: Destinations<'a>,
    reliable: bool,
    /// 0 for none.
    sequence: u32,
    bytes: Vec<u8>,
}

impl Exchange {
    /// A channel of the participant is open: what was said since it joined follows.
    pub(super) fn data_open(
        &mut self,
        sid: &ParticipantSid,
        side: Side,
        reliable: bool,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let Some(session) = self.peers.get_mut(sid).filter(|s| s.hears_data_on() == side) else { return };
        if !reliable {
            session.data.lossy_open = true;
            return;
        }
        if std::mem::replace(&mut session.data.reliable_open, true) {
            return;
        }
        let (room, joined) = (session.room.clone(), session.joined);
        let Some(held) = self.peers.rooms.get(&room) else { return };
        let young = |sent: &&Sent| now.since(sent.at) <= FOR_NEWCOMERS && sent.is_for(sid);
        let packets: Vec<_> = held.replay.since(joined).filter(young).map(|s| s.payload.clone()).collect();
        for payload in packets {
            let (room, to) = (room.clone(), vec![sid.clone()]);
            Self::plan(PeerPlan::SendData { room, to, reliable: true, payload }, outputs);
        }
    }

    /// A packet came from a participant.
    pub(super) fn data_received(
        &mut self,
        sid: &ParticipantSid,
        reliable: bool,
        payload: &[u8],
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let Some(session) = self.peers.get_mut(sid) else { return };
        // Whoever sends is there.
        session.lost = None;
        if !session.permission.can_publish_data || payload.len() > MAX_BYTES {
            return;
        }
        let Some(stamped) = data::stamp(payload, &session.sender(), reliable) else { return };
        if reliable && stamped.sequence > 0 {
            if stamped.sequence <= session.data.last_sequence {
                return;
            }
            session.data.last_sequence = stamped.sequence;
        }
        let (room, name, identity) = (session.room.clone(), session.room_name.clone(), session.identity.clone());
        // Sids count where no identity is named.
        let by_sid = stamped.to_sids.iter().filter(|_| stamped.to_identities.is_empty());
        let destinations = Destinations::new(&stamped.to_identities, by_sid.map(String::as_str));
        match &stamped.content {
            Content::User(nonce) if !self.peers.room(&room).replay.is_first(*nonce) => return,
            Content::RpcAck(id) if self.rpc_acknowledged(id, sid) => return,
            Content::RpcResponse(id, result) if self.rpc_answered(id, sid, result, outputs) => return,
            Content::SipDtmf { code, digit } => {
                self.dial(&room, &identity, *code, digit, |identity, sid| destinations.include(identity, sid));
            }
            Content::RpcRequest { id, method, payload } => {
                let asked = Asked { id, method, payload, to: &stamped.to_identities };
                self.ask_phones(&name, sid, &asked, now, outputs);
            }
            _ => {}
        }
        let (sequence, bytes) = (stamped.sequence, stamped.bytes);
        let packet = Outgoing { room: &room, from: Some(sid), destinations, reliable, sequence, bytes };
        self.forward(packet, now, outputs);
    }

    fn forward(&mut self, packet: Outgoing<'_>, now: Time, outputs: &mut Vec<Output>) {
        let Outgoing { room, from, destinations, reliable, sequence, bytes } = packet;
        let (mut to, mut all) = (Vec::new(), BTreeSet::new());
        for session in self.peers.of_room(room) {
            if Some(&session.sid) == from || !destinations.include(&session.identity, &session.sid) {
                continue;
            }
            all.insert(session.sid.clone());
            let open = if reliable { session.data.reliable_open } else { session.data.lossy_open };
            if open {
                to.push(session.sid.clone());
            }
        }
        let payload = Bytes::from(bytes);
        if reliable {
            self.peers.room(room).replay.push(Sent {
                at: now,
                from: from.cloned(),
                sequence,
                to: (!destinations.everybody()).then_some(all),
                payload: payload.clone(),
            });
        }
        if !to.is_empty() {
            Self::plan(PeerPlan::SendData { room: room.clone(), to, reliable, payload }, outputs);
        }
    }

    /// Digits are dialled by the calls that are meant.
    pub(crate) fn dial(
        &mut self,
        room: &RoomSid,
        from: &str,
        code: u32,
        digit: &str,
        meant: impl Fn(&str, &ParticipantSid) -> bool,
    ) {
        let digits = if digit.is_empty() { digit_of(code) } else { digit.to_owned() };
        for call in self.calls.of_room(room) {
            let Some(entry) = self.calls.get(&call) else { continue };
            let identity = &entry.call.facts().record.participant_identity;
            let outside = ParticipantSid::default();
            if identity != from && meant(identity, entry.place.participant().unwrap_or(&outside)) {
                let sent = RoomEvent::DtmfSent { digits: digits.clone() };
                self.events.push_back((call, Event::Room(sent)));
            }
        }
    }

    /// Digits that a caller dialled reach the clients.
    #[expect(clippy::too_many_arguments, reason = "the parts of the room's event")]
    pub(crate) fn peers_dtmf(
        &mut self,
        room: &RoomSid,
        room_name: &str,
        from: &str,
        code: u32,
        digit: &str,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let Ok(caller) = self.rooms.participant(room_name, from) else { return };
        if self.peers.members(room).is_empty() {
            return;
        }
        let sender = Sender { sid: &caller.sid, identity: from, hidden: caller.permission.hidden, agent: false };
        let bytes = data::sip_dtmf(&sender, code, digit);
        self.send_own(room, &caller.sid, &[], bytes, now, outputs);
    }

    /// Sends a packet of a participant of our own, reliably.
    pub(super) fn send_own(
        &mut self,
        room: &RoomSid,
        from: &ParticipantSid,
        to: &[String],
        bytes: Vec<u8>,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let destinations = Destinations::new(to, std::iter::empty());
        let packet = Outgoing { room, from: Some(from), destinations, reliable: true, sequence: 0, bytes };
        self.forward(packet, now, outputs);
    }

    /// `SendData` of the API.
    #[expect(clippy::too_many_arguments, reason = "the fields of the request")]
    pub(crate) fn send_data(
        &mut self,
        room: &str,
        reliable: bool,
        packet: &[u8],
        identities: &[String],
        sids: &[ParticipantSid],
        now: Time,
        outputs: &mut Vec<Output>,
    ) -> Result<Reply, ApiError> {
        let room = self.rooms.sid(room).ok_or(trunkline_room::Error::NoSuchRoom)?;
        let invalid = |message: &str| ApiError::new(Code::InvalidArgument, message);
        if packet.len() > MAX_BYTES {
            return Err(invalid("the data is too long"));
        }
        let Some((bytes, nonce)) = data::from_server(packet, reliable, identities) else {
            return Err(invalid("the packet holds no user data"));
        };
        if !self.peers.room(&room).replay.is_first(nonce) {
            return Ok(Reply::Done);
        }
        let destinations = Destinations::new(identities, sids.iter().map(ParticipantSid::as_str));
        let packet = Outgoing { room: &room, from: None, destinations, reliable, sequence: 0, bytes };
        self.forward(packet, now, outputs);
        Ok(Reply::Done)
    }

    /// A client that was cut off gets what it has missed. Receivers drop what they have.
    pub(super) fn send_missed(
        &mut self,
        sid: &ParticipantSid,
        received: &[(ParticipantSid, u32)],
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let Some(session) = self.peers.get(sid).filter(|s| s.data.reliable_open) else { return };
        let cut = session.cut.unwrap_or(now);
        let Some(held) = self.peers.rooms.get(&session.room) else { return };
        let missed = |sent: &&Sent| {
            let Some(from) = sent.from.as_ref().filter(|_| sent.sequence > 0 && sent.is_for(sid)) else { return false };
            match received.iter().find(|(sender, _)| sender == from) {
                Some((_, last)) => sent.sequence > *last,
                None => cut.since(sent.at) <= BEFORE_THE_CUT,
            }
        };
        for sent in held.replay.since(session.joined).filter(missed) {
            let (room, to, payload) = (session.room.clone(), vec![sid.clone()], sent.payload.clone());
            Self::plan(PeerPlan::SendData { room, to, reliable: true, payload }, outputs);
        }
    }
}

/// The digit of an RFC 4733 event code.
fn digit_of(code: u32) -> String {
    b"0123456789*#ABCD".get(code as usize).map(|d| char::from(*d).to_string()).unwrap_or_default()
}
