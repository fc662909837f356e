//! Sequences of what WebRTC clients, media threads and API users do to rooms. Nothing panics; the
//! first thing a connection is told is Join, Reconnect or Leave; nothing follows a hang-up; once
//! everybody has gone nothing is left.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use trunkline_call::media::{
    MediaFact, MediaPlan,
    peer::{PeerFact, PeerKey, PeerPlan, Reception, Side},
};
use trunkline_exchange::{
    Config, Exchange, Input, Output,
    command::{Command, Reply},
    port::ConnectionId,
};
use trunkline_room::{
    Join, ParticipantPatch, RoomSettings, TrackInfo, TrackKind,
    signal::{
        AddTrack, Connect, Description, Request, Response, Scenario, SyncState, TrackChange, TrackPermission,
        Transports,
    },
};
use trunkline_routing::{Directory, Settings};
use trunkline_sip::StackConfig;
use trunkline_types::{DisconnectReason, ParticipantSid, Random, RoomSid, Time, TrackSid};

const OFFER: &str = include_str!("../corpus/sdp_rewriting/offer");
const ANSWER: &str = include_str!("../corpus/sdp_rewriting/answer");

fn exchange() -> Exchange {
    let routing = Settings::default();
    let config = Config {
        stack: StackConfig { server: "fuzz".into(), advertise: None, trying_after: Duration::from_millis(200) },
        routing: routing.clone(),
        rooms: trunkline_room::Defaults::default(),
        media_advertised: None,
        max_load: 0.9,
        media_timeout_initial: Duration::from_secs(30),
        media_timeout: Duration::from_secs(15),
    };
    Exchange::new(config, Directory::new(routing), Random::from_number(1))
}

#[derive(Default)]
struct Seen {
    messages: usize,
    hung_up: bool,
    participant: ParticipantSid,
}

struct World {
    exchange: Exchange,
    now: Time,
    facts: VecDeque<PeerFact>,
    connections: BTreeMap<ConnectionId, Seen>,
    next: u64,
    tracks: Vec<TrackSid>,
    room: RoomSid,
    /// What the exchange said first, for a failure.
    log: VecDeque<String>,
}

impl World {
    fn input(&mut self, input: Input) {
        let mut outputs = Vec::new();
        self.exchange.handle(input, self.now, &mut outputs);
        for output in outputs {
            match output {
                Output::Signal(connection, response) => self.told(connection, *response),
                Output::HangUp(connection) => {
                    let seen = self.connections.get_mut(&connection).expect("a hang-up of nobody");
                    seen.hung_up = true;
                }
                Output::Media(MediaPlan::Peer(plan)) => self.planned(plan),
                Output::Log(line) => {
                    self.log.push_back(line.text);
                    self.log.truncate(20);
                }
                _ => {}
            }
        }
    }

    fn told(&mut self, connection: ConnectionId, response: Response) {
        let seen = self.connections.get_mut(&connection).expect("a message to nobody");
        assert!(!seen.hung_up, "a message after the hang-up");
        if seen.messages == 0 {
            let first = matches!(response, Response::Join(_) | Response::Reconnect { .. } | Response::Leave { .. });
            assert!(first, "the first message is {response:?}");
        }
        seen.messages += 1;
        match response {
            Response::Join(joined) => {
                seen.participant = joined.participant.sid.clone();
                self.room = joined.room.sid.clone();
            }
            Response::TrackPublished { track, .. } => self.tracks.push(track.sid),
            Response::Speakers(speakers) => assert!(speakers.iter().all(|s| s.level.is_finite())),
            _ => {}
        }
    }

    fn planned(&mut self, plan: PeerPlan) {
        match plan {
            PeerPlan::Offer { peer, id, .. } => {
                self.facts.push_back(PeerFact::Answered { peer, sdp: ANSWER.into(), id });
            }
            PeerPlan::MakeOffer { peer, add, .. } => {
                let sections = add.into_iter().enumerate().map(|(n, o)| (o.track, n.to_string())).collect();
                self.facts.push_back(PeerFact::Offered { peer, sdp: ANSWER.into(), sections });
            }
            _ => {}
        }
    }

    fn connect(&mut self, argument: u8, text: &str) {
        self.next += 1;
        let connection = self.next;
        let held = self.connections.values().map(|s| s.participant.clone()).nth(usize::from(argument >> 5));
        let add = AddTrack { cid: "cid".into(), track: TrackInfo::default() };
        let connect = Connect {
            room: if argument & 1 == 0 { "room".into() } else { format!("room{text}") },
            join: Join { identity: format!("p{}", argument >> 1 & 3), protocol: 17, ..Join::default() },
            settings: RoomSettings { max_participants: u32::from(argument >> 6), ..RoomSettings::default() },
            transports: if argument & 8 == 0 { Transports::Single } else { Transports::Dual },
            auto_subscribe: argument & 16 == 0,
            add_tracks: vec![add],
            offer: (argument & 32 == 0).then(|| Description { sdp: OFFER.into(), id: 1 }),
            place: if (192..224).contains(&argument) { held.clone() } else { None },
            resume: if argument >= 224 { held } else { None },
            sync: None,
        };
        self.connections.insert(connection, Seen::default());
        let mut outputs = Vec::new();
        let input = Input::Api(connection, Box::new(Command::Connect(connection, Box::new(connect))));
        self.exchange.handle(input, self.now, &mut outputs);
        let mut refused = false;
        for output in outputs {
            match output {
                Output::Reply(_, Ok(Reply::Done)) => {}
                Output::Reply(request, Err(_)) if request == connection => refused = true,
                Output::Signal(connection, response) => self.told(connection, *response),
                Output::HangUp(connection) => {
                    self.connections.get_mut(&connection).expect("a hang-up of nobody").hung_up = true;
                }
                Output::Media(MediaPlan::Peer(plan)) => self.planned(plan),
                _ => {}
            }
        }
        if refused {
            self.connections.remove(&connection);
        }
    }

    fn connection(&self, argument: u8) -> Option<(ConnectionId, PeerKey)> {
        let open: Vec<_> = self.connections.iter().filter(|(_, seen)| !seen.hung_up).collect();
        let (connection, seen) = open.get(usize::from(argument) % open.len().max(1))?;
        let side = if argument & 64 == 0 { Side::Publisher } else { Side::Subscriber };
        Some((**connection, PeerKey { participant: seen.participant.clone(), side }))
    }

    fn track(&self, argument: u8) -> TrackSid {
        let known = self.tracks.get(usize::from(argument) % self.tracks.len().max(1));
        known.cloned().unwrap_or_else(|| TrackSid::from("TR_AMnone"))
    }

    fn request(&self, kind: u8, argument: u8, data: &[u8]) -> Request {
        let text = String::from_utf8_lossy(data).into_owned();
        let track = self.track(argument);
        match kind % 13 {
            0 => Request::Offer(Description { sdp: OFFER.into(), id: argument.into() }),
            1 => Request::Offer(Description { sdp: text, id: 2 }),
            2 => Request::Answer(Description { sdp: text, id: 1 }),
            3 => {
                let kind = if argument & 1 == 0 { TrackKind::Audio } else { TrackKind::Video };
                let cid = if argument & 2 == 0 { "cid".into() } else { text };
                Request::AddTrack(AddTrack { cid, track: TrackInfo { kind, ..TrackInfo::default() } })
            }
            4 => Request::Mute { track, muted: argument & 1 == 0 },
            5 => Request::UpdateSubscription { tracks: vec![track], subscribe: argument & 1 == 0 },
            6 => Request::UpdateTrackSettings { tracks: vec![track], disabled: argument & 1 == 0 },
            7 => {
                let attributes = [(text.clone(), text)].into();
                Request::UpdateMetadata { request_id: 1, patch: ParticipantPatch { attributes, ..Default::default() } }
            }
            8 => Request::SyncState(SyncState { published: vec![track], ..SyncState::default() }),
            9 => Request::Simulate(
                [
                    Scenario::SpeakerUpdate(3),
                    Scenario::NodeFailure,
                    Scenario::Migration,
                    Scenario::ServerLeave,
                    Scenario::DisconnectSignalOnResume,
                    Scenario::LeaveRequestFullReconnect,
                    Scenario::DisconnectSignalOnResumeNoMessages,
                    Scenario::TcpAlone(true),
                    Scenario::TcpAlone(false),
                    Scenario::Unplayable("fuzz"),
                ][usize::from(argument) % 10],
            ),
            10 => {
                let sid =
                    self.connections.values().map(|seen| seen.participant.clone()).nth(usize::from(argument >> 5));
                let permission = TrackPermission {
                    participant: sid.filter(|_| argument & 2 == 0).unwrap_or_default(),
                    identity: if argument & 4 == 0 { format!("p{}", argument >> 3 & 3) } else { text },
                    all_tracks: argument & 8 == 0,
                    tracks: vec![track],
                };
                Request::SubscriptionPermission { everybody: argument & 1 == 0, listed: vec![permission] }
            }
            11 => {
                let change = match data {
                    [width, height, ..] if argument & 1 == 0 => {
                        TrackChange::Video { width: u32::from(*width) << 8, height: u32::from(*height) << 24 }
                    }
                    _ => TrackChange::Audio { features: data.iter().map(|byte| i32::from(*byte) - 9).collect() },
                };
                Request::UpdateTrack { track, change }
            }
            _ => Request::Leave(DisconnectReason::ClientInitiated),
        }
    }

    fn fact(&mut self, kind: u8, argument: u8, data: &[u8]) {
        let Some((_, peer)) = self.connection(argument) else { return };
        let participant = peer.participant.clone();
        let fact = match kind % 11 {
            0 | 1 => match self.facts.pop_front() {
                Some(fact) => fact,
                None => return,
            },
            2 => PeerFact::Connected { peer },
            3 => PeerFact::Lost { peer },
            4 => PeerFact::DataOpen { participant, side: peer.side, reliable: argument & 1 == 0 },
            5 => PeerFact::Data { participant, reliable: argument & 1 == 0, payload: Bytes::copy_from_slice(data) },
            6 => PeerFact::Speaking { room: self.room.clone(), levels: vec![(self.track(argument), f32::NAN)] },
            7 => PeerFact::Stuck { participant },
            8 => PeerFact::Closed { peer },
            9 => {
                let at = |n: usize| data.get(n).copied().map_or(u64::MAX, u64::from);
                let reception = Reception { expected: at(0), received: at(1), jitter: Duration::from_millis(at(2)) };
                PeerFact::Received { room: self.room.clone(), tracks: vec![(self.track(argument), reception)] }
            }
            _ if argument & 1 == 0 => PeerFact::Failed { peer, why: "fuzz".into() },
            _ => PeerFact::Faulted { peer },
        };
        self.input(Input::Media(MediaFact::Peer(fact)));
    }

    fn api(&mut self, kind: u8, argument: u8, data: &[u8]) {
        let (room, identity) = ("room".to_owned(), format!("p{}", argument & 3));
        let track = self.track(argument);
        let command = match kind % 7 {
            0 => Command::DeleteRoom(room),
            1 => Command::RemoveParticipant { room, identity },
            2 => Command::MutePublishedTrack { room, identity, track, muted: argument & 4 == 0 },
            3 => Command::UpdateSubscriptions { room, identity, tracks: vec![track], subscribe: argument & 4 == 0 },
            4 => Command::SendData {
                room,
                reliable: argument & 4 == 0,
                packet: Bytes::copy_from_slice(data),
                destinations: vec![identity],
                destination_sids: Vec::new(),
            },
            5 => {
                let (method, payload) = ("m".into(), "p".into());
                Command::PerformRpc { room, identity, method, payload, response_timeout_ms: argument.into() }
            }
            _ => Command::UpdateRoomMetadata { room, metadata: String::from_utf8_lossy(data).into_owned() },
        };
        self.next += 1;
        self.input(Input::Api(self.next, Box::new(command)));
    }

    /// Everybody hangs up, and time passes until nothing is left.
    fn finish(&mut self) {
        let open: Vec<_> = self.connections.iter().map(|(c, seen)| (*c, seen.participant.clone())).collect();
        for (connection, participant) in open {
            self.input(Input::SignalClosed(connection));
            // A participant without signalling stays as long as its media does.
            for side in [Side::Publisher, Side::Subscriber] {
                let peer = PeerKey { participant: participant.clone(), side };
                self.input(Input::Media(MediaFact::Peer(PeerFact::Lost { peer })));
            }
        }
        for _ in 0..10_000 {
            let Some(at) = self.exchange.poll_timeout() else { break };
            self.now = Time { nanos: self.now.nanos.max(at.nanos), ..self.now };
            self.input(Input::Tick);
        }
        assert!(self.exchange.is_quiet(), "something is left: {:?}; {:?}", self.exchange.poll_timeout(), self.log);
    }
}

fuzz_target!(|data: &[u8]| {
    let mut world = World {
        exchange: exchange(),
        now: Time::new(0, 1_700_000_000_000_000_000),
        facts: VecDeque::new(),
        connections: BTreeMap::new(),
        next: 0,
        tracks: Vec::new(),
        room: RoomSid::default(),
        log: VecDeque::new(),
    };
    let mut rest = data;
    while let [op, argument, length, tail @ ..] = rest {
        let (payload, after) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = after;
        let kind = op >> 3;
        match op % 8 {
            0 => world.connect(*argument, &String::from_utf8_lossy(payload)),
            1 | 2 => {
                if let Some((connection, _)) = world.connection(*argument) {
                    let request = world.request(kind, *argument, payload);
                    world.input(Input::Signal(connection, Box::new(request)));
                }
            }
            3 | 4 => world.fact(kind, *argument, payload),
            5 => world.api(kind, *argument, payload),
            6 => {
                if let Some((connection, _)) = world.connection(*argument) {
                    world.input(Input::SignalClosed(connection));
                    world.connections.entry(connection).or_default().hung_up = true;
                }
            }
            _ => {
                world.now = world.now + Duration::from_millis(u64::from(*argument) * 100);
                world.input(Input::Tick);
            }
        }
    }
    world.finish();
});
