//! The exchange with a media thread and clients that behave as the real ones do.

#[path = "../surroundings/obeying.rs"]
pub(crate) mod obeying;

use obeying::{config, obeyed};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    time::Duration,
};
use trunkline_call::media::{
    MediaFact, MediaPlan,
    peer::{PeerFact, PeerKey, PeerPlan, Side},
};
use trunkline_exchange::{
    Exchange, Input, Output,
    command::{ApiError, CallRecord, Command, Reply, RequestId},
    port::{ConnectionId, Record},
};
use trunkline_room::{
    Join, ParticipantInfo, Source, State, TrackInfo, TrackKind,
    signal::{AddTrack, Connect, Description, LeaveAction, Request, Response, Transports},
    worker,
};
use trunkline_routing::{Directory, Settings};
use trunkline_sdp::webrtc::sections;
use trunkline_sip::locate::Records;
use trunkline_types::{DisconnectReason, ParticipantSid, Random, Time, TrackSid};

pub const ROOM: &str = "room";

/// One section of a client's connection.
#[derive(Clone, Debug)]
pub struct Part {
    pub kind: TrackKind,
    /// What it sends; `None` if it receives.
    pub cid: Option<String>,
    pub inactive: bool,
}

/// A client with one connection or two.
#[derive(Debug, Default)]
pub struct Client {
    pub parts: Vec<Part>,
    pub sid: ParticipantSid,
    pub offers: u32,
    /// What the last answer or offer said each section carries.
    pub hears: BTreeMap<String, TrackSid>,
    pub own: BTreeMap<String, TrackSid>,
    pub dual: bool,
    /// It does not react to what it is told.
    pub deaf: bool,
}

impl Client {
    fn receiving(audios: u32, videos: u32) -> impl Iterator<Item = Part> {
        let part = |kind| move |_| Part { kind, cid: None, inactive: false };
        (0..audios).map(part(TrackKind::Audio)).chain((0..videos).map(part(TrackKind::Video)))
    }

    pub fn sdp(&self) -> String {
        let mut sdp = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n".to_owned();
        for (mid, part) in self.parts.iter().enumerate() {
            let (name, codec) = match part.kind {
                TrackKind::Audio => ("audio", "opus/48000/2"),
                TrackKind::Video => ("video", "VP8/90000"),
            };
            sdp += &format!("m={name} 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:{mid}\r\na=rtpmap:111 {codec}\r\n");
            match (&part.cid, part.inactive) {
                (_, true) => sdp += "a=inactive\r\n",
                (Some(cid), _) => sdp += &format!("a=sendonly\r\na=msid:- {cid}\r\n"),
                (None, _) => sdp += "a=recvonly\r\n",
            }
        }
        sdp + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:data\r\na=sctp-port:5000\r\n"
    }

    pub fn offer(&mut self) -> Description {
        self.offers += 1;
        Description { sdp: self.sdp(), id: self.offers }
    }
}

/// The answer a WebRTC stack makes: every direction turned round, and ids of its own.
pub fn answer_to(offer: &str) -> String {
    let mut answer = String::new();
    for line in offer.lines().filter(|l| !l.starts_with("a=msid:")) {
        let line = match line {
            "a=recvonly" => "a=sendonly\r\na=msid:x y\r\na=ssrc:1 cname:c\r\na=ssrc:1 msid:x y",
            "a=sendonly" => "a=recvonly",
            other => other,
        };
        answer += line;
        answer += "\r\n";
    }
    answer
}

/// See the module.
pub struct World {
    pub exchange: Exchange,
    pub now: Time,
    pub clients: BTreeMap<ConnectionId, Client>,
    /// What each connection was told, in order.
    pub said: BTreeMap<ConnectionId, Vec<Response>>,
    pub hung_up: BTreeSet<ConnectionId>,
    pub plans: Vec<PeerPlan>,
    pub media: Vec<MediaPlan>,
    pub replies: BTreeMap<RequestId, Result<Reply, ApiError>>,
    pub webhooks: Vec<(&'static str, String)>,
    /// What each worker was told, in order.
    pub workers: BTreeMap<ConnectionId, Vec<worker::Response>>,
    pub dismissed: BTreeSet<ConnectionId>,
    /// SIP messages as they were sent.
    pub sent: Vec<String>,
    /// Messages of ladders.
    pub ladder: Vec<String>,
    /// The calls' records as they were written.
    pub records: Vec<CallRecord>,
    pub lines: Vec<String>,
    /// Every output in a word, in order.
    pub order: Vec<String>,
    inputs: VecDeque<Input>,
    requests: RequestId,
    mids: u32,
    /// Everything happens at the same moment.
    pub hasty: bool,
}

impl Default for World {
    fn default() -> Self {
        let routing = Settings::default();
        Self::with(Exchange::new(config(routing.clone()), Directory::new(routing), Random::from_number(7)))
    }
}

impl World {
    pub fn with(exchange: Exchange) -> Self {
        let (clients, said, hung_up, plans, media, replies) = Default::default();
        let (workers, dismissed, sent, records, ladder) = Default::default();
        let (webhooks, lines, order, inputs, requests, mids, hasty) = Default::default();
        let now = Time::new(1_000_000_000, 1_700_000_000_000_000_000);
        Self {
            exchange,
            now,
            clients,
            said,
            hung_up,
            plans,
            media,
            replies,
            webhooks,
            workers,
            dismissed,
            sent,
            ladder,
            records,
            lines,
            order,
            inputs,
            requests,
            mids,
            hasty,
        }
    }

    pub fn give(&mut self, input: Input) {
        self.inputs.push_back(input);
        while let Some(input) = self.inputs.pop_front() {
            let mut outputs = Vec::new();
            self.exchange.handle(input, self.now, &mut outputs);
            for output in outputs {
                self.take(output);
            }
        }
    }

    fn take(&mut self, output: Output) {
        match output {
            Output::Signal(connection, response) => {
                self.order.push(format!("{connection} {}", word(&format!("{response:?}"))));
                assert!(!self.hung_up.contains(&connection), "nothing is said after the end: {response:?}");
                self.react(connection, &response);
                self.said.entry(connection).or_default().push(*response);
            }
            Output::HangUp(connection) => {
                self.order.push(format!("{connection} HangUp"));
                self.hung_up.insert(connection);
            }
            Output::Media(MediaPlan::Peer(plan)) => {
                self.order.push(word(&format!("{plan:?}")));
                self.carry_out(&plan);
                self.plans.push(plan);
            }
            Output::Media(plan) => {
                self.inputs.extend(obeyed(&plan).map(Input::Media));
                self.media.push(plan);
            }
            Output::Worker(connection, response) => {
                assert!(!self.dismissed.contains(&connection), "nothing is said after the end: {response:?}");
                self.workers.entry(connection).or_default().push(*response);
            }
            Output::WorkerHangUp(connection) => {
                self.dismissed.insert(connection);
            }
            Output::Send(transmit) => self.sent.push(String::from_utf8_lossy(&transmit.bytes).into_owned()),
            Output::Resolve(id, query) => {
                let port = query.port.unwrap_or(5060);
                let records = match query.host.parse() {
                    Ok(ip) => Ok(Records { addresses: vec![SocketAddr::new(ip, port)], ..Records::default() }),
                    Err(_) => Err(format!("there is no {}", query.host)),
                };
                self.inputs.push_back(Input::Resolved(id, records));
            }
            Output::Trace(_, entry) => self.ladder.push(entry.text),
            Output::Persist(id, record) => {
                if let Record::PutCall(record) = *record {
                    self.records.push(record);
                }
                self.inputs.push_back(Input::Stored(id, Ok(())));
            }
            Output::Reply(request, reply) => {
                self.order.push(format!("Reply {}", word(&format!("{reply:?}"))));
                self.replies.insert(request, reply);
            }
            Output::Notify(webhook) => {
                let who = webhook.participant.map(|p| p.identity).unwrap_or_default();
                self.webhooks.push((webhook.event, who));
            }
            Output::Log(line) => self.lines.push(line.text),
            _ => {}
        }
    }

    fn fact(&mut self, fact: PeerFact) {
        self.inputs.push_back(Input::Media(MediaFact::Peer(fact)));
    }

    fn carry_out(&mut self, plan: &PeerPlan) {
        match plan {
            PeerPlan::Offer { peer, sdp, id, .. } => {
                self.fact(PeerFact::Answered { peer: peer.clone(), sdp: answer_to(sdp), id: *id });
            }
            PeerPlan::MakeOffer { peer, add, .. } => {
                let mut sections = Vec::new();
                for offered in add {
                    self.mids += 1;
                    sections.push((offered.track.clone(), format!("s{}", self.mids)));
                }
                let sdp = "v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:data\r\n".into();
                self.fact(PeerFact::Offered { peer: peer.clone(), sdp, sections });
            }
            _ => {}
        }
    }

    /// A client does what it is told.
    fn react(&mut self, connection: ConnectionId, response: &Response) {
        let Some(client) = self.clients.get_mut(&connection).filter(|c| !c.deaf) else { return };
        let request = match response {
            Response::Join(joined) => {
                client.sid = joined.participant.sid.clone();
                return;
            }
            Response::TrackPublished { cid, track } => {
                client.own.insert(cid.clone(), track.sid.clone());
                return;
            }
            Response::Answer { description, tracks_by_mid } => {
                assert!(description.id <= client.offers);
                check_msids(&description.sdp, tracks_by_mid);
                client.hears.clone_from(tracks_by_mid);
                return;
            }
            Response::Offer { description, tracks_by_mid } => {
                client.hears.clone_from(tracks_by_mid);
                Request::Answer(Description { sdp: answer_to(&description.sdp), id: description.id })
            }
            Response::MediaSections { audios, videos } => {
                client.parts.extend(Client::receiving(*audios, *videos));
                Request::Offer(client.offer())
            }
            _ => return,
        };
        self.inputs.push_back(Input::Signal(connection, Box::new(request)));
    }

    /// A number for a request that is not answered at once.
    pub fn next_request(&mut self) -> RequestId {
        self.requests += 1;
        self.requests
    }

    pub fn ask(&mut self, command: Command) -> Option<Result<Reply, ApiError>> {
        let request = self.next_request();
        self.give(Input::Api(request, Box::new(command)));
        self.breathe();
        self.replies.get(&request).cloned()
    }

    pub fn request(&mut self, connection: ConnectionId, request: Request) {
        self.give(Input::Signal(connection, Box::new(request)));
        self.breathe();
    }

    fn breathe(&mut self) {
        if !self.hasty {
            self.wait(Duration::from_millis(120));
        }
    }

    pub fn tell(&mut self, fact: PeerFact) {
        self.give(Input::Media(MediaFact::Peer(fact)));
        self.breathe();
    }

    pub fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.exchange.poll_timeout().filter(|at| *at <= end) {
            self.now = Time { nanos: at.nanos.max(self.now.nanos), ..self.now };
            self.give(Input::Tick);
        }
        self.now = end;
    }

    pub fn connect(&self, identity: &str) -> Connect {
        let join = Join { identity: identity.into(), protocol: 17, client_protocol: 2, ..Join::default() };
        Connect { room: ROOM.into(), join, auto_subscribe: true, ..Connect::default() }
    }

    /// A client with one connection joins with its first offer; media is not up yet.
    pub fn join_with(&mut self, connection: ConnectionId, mut connect: Connect) -> Option<Result<Reply, ApiError>> {
        let mut client = Client { parts: Client::receiving(3, 3).collect(), ..Client::default() };
        client.dual = connect.transports == Transports::Dual;
        if client.dual {
            client.parts.clear();
        } else {
            connect.offer = Some(client.offer());
        }
        self.clients.insert(connection, client);
        self.ask(Command::Connect(connection, Box::new(connect)))
    }

    /// Joins, and media comes up.
    pub fn join(&mut self, connection: ConnectionId, identity: &str) -> ParticipantSid {
        let connect = self.connect(identity);
        self.join_with(connection, connect).expect("answered").expect("joined");
        self.up(connection)
    }

    pub fn up(&mut self, connection: ConnectionId) -> ParticipantSid {
        let (participant, dual) = (self.sid(connection), self.clients[&connection].dual);
        let side = if dual { Side::Subscriber } else { Side::Publisher };
        self.tell(PeerFact::Connected { peer: PeerKey { participant: participant.clone(), side } });
        for reliable in [true, false] {
            self.tell(PeerFact::DataOpen { participant: participant.clone(), side, reliable });
        }
        participant
    }

    pub fn sid(&self, connection: ConnectionId) -> ParticipantSid {
        self.clients[&connection].sid.clone()
    }

    pub fn peer(&self, connection: ConnectionId) -> PeerKey {
        PeerKey { participant: self.sid(connection), side: Side::Publisher }
    }

    pub fn add_track(&mut self, connection: ConnectionId, cid: &str, kind: TrackKind) {
        let source = if kind == TrackKind::Audio { Source::Microphone } else { Source::Camera };
        let track = TrackInfo { kind, source, name: cid.into(), ..TrackInfo::default() };
        self.request(connection, Request::AddTrack(AddTrack { cid: cid.into(), track }));
    }

    pub fn offer_track(&mut self, connection: ConnectionId, cid: &str, kind: TrackKind) {
        let client = self.clients.get_mut(&connection).expect("a client");
        client.parts.push(Part { kind, cid: Some(cid.into()), inactive: false });
        self.offer(connection);
    }

    pub fn offer(&mut self, connection: ConnectionId) {
        let offer = self.clients.get_mut(&connection).expect("a client").offer();
        self.request(connection, Request::Offer(offer));
    }

    pub fn publish(&mut self, connection: ConnectionId, cid: &str, kind: TrackKind) -> TrackSid {
        self.add_track(connection, cid, kind);
        self.offer_track(connection, cid, kind);
        self.clients[&connection].own[cid].clone()
    }

    pub fn said(&self, connection: ConnectionId) -> &[Response] {
        self.said.get(&connection).map(Vec::as_slice).unwrap_or_default()
    }

    pub fn forget_said(&mut self) {
        self.said.clear();
        self.plans.clear();
        self.order.clear();
        self.webhooks.clear();
    }

    /// The words of what was said to a connection.
    pub fn words(&self, connection: ConnectionId) -> Vec<String> {
        self.said(connection).iter().map(|r| word(&format!("{r:?}"))).collect()
    }

    /// The states in which a connection was shown a participant.
    pub fn shown(&self, connection: ConnectionId, identity: &str) -> Vec<ParticipantInfo> {
        let updates = self.said(connection).iter().filter_map(|r| match r {
            Response::Update(all) => Some(all.iter().filter(|p| p.identity == identity).cloned()),
            _ => None,
        });
        updates.flatten().collect()
    }

    pub fn states(&self, connection: ConnectionId, identity: &str) -> Vec<State> {
        self.shown(connection, identity).iter().map(|p| p.state).collect()
    }

    pub fn leaves(&self, connection: ConnectionId) -> Vec<(DisconnectReason, LeaveAction)> {
        let leave = |r: &Response| match r {
            Response::Leave { reason, action } => Some((*reason, *action)),
            _ => None,
        };
        self.said(connection).iter().filter_map(leave).collect()
    }

    pub fn count(&self, connection: ConnectionId, what: impl Fn(&Response) -> bool) -> usize {
        self.said(connection).iter().filter(|r| what(r)).count()
    }

    pub fn participants(&mut self) -> Vec<ParticipantInfo> {
        match self.ask(Command::ListParticipants(ROOM.into())) {
            Some(Ok(Reply::Participants(all))) => all,
            other => panic!("{other:?}"),
        }
    }
}

/// The answer's text says the same as its map.
fn check_msids(sdp: &str, tracks_by_mid: &BTreeMap<String, TrackSid>) {
    let told: BTreeMap<String, TrackSid> = sections(sdp)
        .expect("readable")
        .into_iter()
        .filter(|s| s.sends)
        .filter_map(|s| Some((s.mid, TrackSid::from(s.track_id?))))
        .filter(|(_, track)| track.as_str() != "y")
        .collect();
    assert_eq!(&told, tracks_by_mid, "{sdp}");
    assert!(!sdp.contains("msid:x y"));
}

fn word(text: &str) -> String {
    let text = text.strip_prefix("Ok(").unwrap_or(text);
    text.chars().take_while(|c| c.is_alphanumeric()).collect()
}
