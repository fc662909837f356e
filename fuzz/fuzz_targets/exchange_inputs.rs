//! Sequences of inputs for the whole control plane: datagrams whole and broken, API requests, media
//! facts, a store that fails, time that passes. Nothing panics, every call has one record under its
//! id, and once everything is over nothing is left.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};
use trunkline_call::media::{LegStats, MediaFact, MediaPlan};
use trunkline_exchange::{
    Config, Exchange, Input, Output,
    command::Command,
    port::{Record, RecordId},
};
use trunkline_room::{ParticipantPatch, RoomSettings};
use trunkline_routing::{
    Directory, Settings,
    record::{AnswerPolicy, DispatchRule, InboundTrunk, Rule},
};
use trunkline_sip::{
    Message, StackConfig,
    flow::{Flow, Protocol, Received},
};
use trunkline_types::{CallId, Random, RuleId, Time, TrunkId};

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 5060);
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                     m=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n";

fn exchange(policy: AnswerPolicy) -> Exchange {
    let routing = Settings { default_answer_policy: policy, drain_ms: 0, ..Settings::default() };
    let mut directory = Directory::new(routing.clone());
    let trunk = InboundTrunk {
        id: TrunkId::from("ST_fuzz"),
        numbers: vec!["+15551234567".into()],
        attributes_to_headers: [("a".to_owned(), "X-A".to_owned())].into(),
        ..InboundTrunk::default()
    };
    let rule = Rule::Individual { room_prefix: "call".into(), pin: String::new(), no_randomness: true };
    let rule = DispatchRule { id: RuleId::from("SDR_fuzz"), rule: Some(rule), ..DispatchRule::default() };
    directory.load(vec![trunk], Vec::new(), vec![rule], Vec::new(), Vec::new());
    let config = Config {
        stack: StackConfig { server: "fuzz".into(), advertise: None, trying_after: Duration::from_millis(200) },
        routing,
        rooms: trunkline_room::Defaults::default(),
        media_advertised: None,
        max_load: 0.9,
        media_timeout_initial: Duration::from_secs(30),
        media_timeout: Duration::from_secs(15),
    };
    Exchange::new(config, directory, Random::from_number(1))
}

/// What the shells around the exchange owe it, and what the far end has learned.
struct World {
    exchange: Exchange,
    now: Time,
    facts: VecDeque<MediaFact>,
    writes: VecDeque<RecordId>,
    /// Call → how many of its records said that it is over.
    ended: BTreeMap<CallId, bool>,
    /// The To-tag and branch of each caller's dialog.
    tags: BTreeMap<u8, String>,
    room: String,
    requests: u64,
}

impl World {
    fn input(&mut self, input: Input) {
        let mut outputs = Vec::new();
        self.exchange.handle(input, self.now, &mut outputs);
        for output in outputs {
            match output {
                Output::Send(transmit) => self.sent(transmit.bytes),
                Output::Media(plan) => self.planned(plan),
                Output::Persist(id, record) => {
                    self.writes.push_back(id);
                    if let Record::PutCall(call) = *record {
                        let over = call.ending.is_some();
                        let before = self.ended.insert(call.call_id.clone(), over);
                        assert!(before != Some(true), "a record after the final one");
                        self.room = call.room_name.clone();
                    }
                }
                _ => {}
            }
        }
    }

    fn sent(&mut self, bytes: Bytes) {
        let message = Message::parse(bytes).expect("we wrote what we cannot read");
        if let (Some(_), Some(tag)) = (message.status(), message.to().tag)
            && let Some(caller) = message.call_id().bytes().last()
        {
            self.tags.insert(caller.wrapping_sub(b'a'), tag);
        }
    }

    fn planned(&mut self, plan: MediaPlan) {
        match plan {
            MediaPlan::Open { leg, local, .. } => {
                self.facts.push_back(MediaFact::Opened { leg, rtp: SocketAddr::new(local, 12_000) });
            }
            MediaPlan::Drain { leg, .. } => self.facts.push_back(MediaFact::Drained { leg }),
            MediaPlan::Close { leg } => {
                self.facts.push_back(MediaFact::Closed { leg, stats: LegStats::default() });
            }
            MediaPlan::StartBuiltin { participant, room, .. } => {
                self.facts.push_back(MediaFact::BuiltinReady { participant, room });
            }
            _ => {}
        }
    }

    fn datagram(&mut self, protocol: Protocol, from: u8, raw: Bytes) {
        let remote = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, from)), 5060);
        let flow = Flow { protocol, local: SERVER, remote, connection: u64::from(protocol != Protocol::Udp) };
        let message = Message::parse(raw.clone());
        self.input(Input::Sip(Box::new(Received { flow, at: self.now, raw, message })));
    }

    /// A request of a caller who behaves.
    fn request(&mut self, caller: u8, method: &str, cseq: u8, branch: u8, body: &str) {
        let tag = match self.tags.get(&caller) {
            Some(tag) if method != "INVITE" || cseq > 1 => format!(";tag={tag}"),
            _ => String::new(),
        };
        let name = char::from(b'a' + caller);
        let raw = format!(
            "{method} sip:+15551234567@192.0.2.2 SIP/2.0\r\n\
             Via: SIP/2.0/UDP 198.51.100.{caller}:5060;branch=z9hG4bK{name}{branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:+1777{caller}@198.51.100.1>;tag=f{name}\r\n\
             To: <sip:+15551234567@192.0.2.2>{tag}\r\nCall-ID: call-{name}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:u@198.51.100.{caller}:5060>\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.datagram(Protocol::Udp, caller, Bytes::from(raw));
    }

    fn fact(&mut self) {
        if let Some(fact) = self.facts.pop_front() {
            self.input(Input::Media(fact));
        }
    }

    fn stored(&mut self, works: bool) {
        if let Some(id) = self.writes.pop_front() {
            self.input(Input::Stored(id, if works { Ok(()) } else { Err("disk full".into()) }));
        }
    }

    fn api(&mut self, which: u8) {
        let (room, identity) = (self.room.clone(), "sip_+17770".to_owned());
        let command = match which % 9 {
            0 => Command::DeleteRoom(room),
            1 => {
                let attributes = [("a".to_owned(), format!("v{which}\r\nx"))].into();
                let patch = ParticipantPatch { attributes, ..ParticipantPatch::default() };
                Command::UpdateParticipant { room, identity, patch }
            }
            2 => Command::RemoveParticipant { room, identity },
            3 => Command::CreateRoom("other".into(), RoomSettings::default()),
            4 => Command::ListParticipants(room),
            5 => Command::ListRooms(Vec::new()),
            6 => Command::DeleteTrunk(TrunkId::from("ST_fuzz")),
            7 => Command::UpdateRoomMetadata { room, metadata: "m".into() },
            _ => Command::LiveCalls,
        };
        self.requests += 1;
        self.input(Input::Api(self.requests, Box::new(command)));
    }

    /// Everybody hangs up and the shells do what they owe, until nothing is left.
    fn finish(&mut self) {
        self.input(Input::Drain(self.now));
        for _ in 0..4_000 {
            if !self.facts.is_empty() {
                self.fact();
            } else if !self.writes.is_empty() {
                self.stored(true);
            } else if let Some(at) = self.exchange.poll_timeout() {
                // A timer of the far future would be a leak too.
                assert!(at.since(self.now) < Duration::from_secs(3_600 * 24 * 400), "a timer that never comes");
                self.now = Time { nanos: self.now.nanos.max(at.nanos), ..self.now };
                self.input(Input::Tick);
            } else {
                break;
            }
        }
        assert!(self.exchange.is_quiet(), "something is left: {:?}", self.exchange.poll_timeout());
        assert!(self.ended.values().all(|over| *over), "a call without its final record");
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((first, mut rest)) = data.split_first() else { return };
    let policy = if first % 2 == 0 { AnswerPolicy::Immediate } else { AnswerPolicy::OnAudio };
    let mut world = World {
        exchange: exchange(policy),
        now: Time::new(0, 1_700_000_000_000_000_000),
        facts: VecDeque::new(),
        writes: VecDeque::new(),
        ended: BTreeMap::new(),
        tags: BTreeMap::new(),
        room: String::new(),
        requests: 0,
    };
    while let [op, argument, tail @ ..] = rest {
        rest = tail;
        let caller = argument & 3;
        let variant = argument >> 2;
        match op % 16 {
            0 => world.request(caller, "INVITE", 1, 1, OFFER),
            1 => world.request(caller, "ACK", 1, 2 + variant, ""),
            2 => world.request(caller, "BYE", 2, 3, ""),
            3 => world.request(caller, "CANCEL", 1, 1, ""),
            4 => {
                let body = OFFER.replace("RTP/AVP 0 8 101\r\n", "RTP/AVP 0 8 101\r\na=sendonly\r\n");
                world.request(caller, "INVITE", 2 + variant, 4 + variant, &body);
            }
            5 => world.request(caller, ["OPTIONS", "INFO", "UPDATE", "REFER"][usize::from(variant % 4)], 3, 5, ""),
            6 => world.request(caller, "INVITE", 1, 1 + variant, ""),
            7 | 8 => world.fact(),
            9 => world.stored(variant % 8 != 7),
            10 => world.api(*argument),
            11 => {
                world.now = world.now + Duration::from_millis(u64::from(*argument) * 250);
                world.input(Input::Tick);
            }
            12 => {
                let leg = world.facts.front().and_then(|fact| match fact {
                    MediaFact::Opened { leg, .. } | MediaFact::Drained { leg } => Some(leg.clone()),
                    _ => None,
                });
                if let Some(leg) = leg {
                    world.input(Input::Media(match variant % 3 {
                        0 => MediaFact::Silent { leg },
                        1 => MediaFact::Dtmf { leg, code: *argument, digit: Some('5') },
                        _ => MediaFact::OpenFailed { leg, why: "no port".into() },
                    }));
                }
            }
            13 => {
                let remote = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, caller)), 5060);
                let flow = Flow { protocol: Protocol::Tcp, local: SERVER, remote, connection: 1 };
                world.input(Input::Closed(flow, "the connection is gone"));
            }
            _ => {
                let length = (usize::from(*argument) * 8).min(rest.len());
                let (raw, after) = rest.split_at(length);
                rest = after;
                let protocol = if op % 16 == 14 { Protocol::Udp } else { Protocol::Tcp };
                world.datagram(protocol, 1, Bytes::copy_from_slice(raw));
            }
        }
    }
    world.finish();
});
