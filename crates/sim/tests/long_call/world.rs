//! An exchange in virtual time with media threads in real time, and what the two say to each other.

use bytes::Bytes;
use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    time::{Duration, Instant},
};
use trunkline_call::media::MediaFact;
use trunkline_exchange::{
    Config, Exchange, Input, Output,
    command::{CallRecord, Command, Reply, RequestId},
    port::Record,
};
use trunkline_media::{Jitter, Media, Quality};
use trunkline_routing::{
    Directory, Settings,
    record::{AnswerPolicy, DispatchRule, InboundTrunk, Options, Rule},
};
use trunkline_sip::{
    Message, StackConfig,
    flow::{Flow, Protocol, Received},
};
use trunkline_types::{Random, RuleId, Time, TrunkId};

pub const ROOM: &str = "room";
pub const NUMBER: &str = "+15551234567";
pub const SERVER: &str = "127.0.0.1:5060";

/// See the module.
pub struct World {
    exchange: Exchange,
    media: Media,
    facts: Receiver<MediaFact>,
    /// Virtual.
    pub now: Time,
    /// SIP messages as they were sent, and to whom.
    pub sent: Vec<(SocketAddr, String)>,
    pub records: Vec<CallRecord>,
    replies: BTreeMap<RequestId, bool>,
    /// Where the legs' RTP sockets are, in the order in which they were opened.
    pub opened: Vec<SocketAddr>,
    inputs: VecDeque<Input>,
    requests: RequestId,
}

#[expect(clippy::disallowed_methods, reason = "real sockets need a real clock")]
pub fn real() -> Instant {
    Instant::now()
}

impl World {
    pub fn new() -> Self {
        let routing = Settings::default();
        let mut directory = Directory::new(routing.clone());
        let trunk = InboundTrunk { id: TrunkId::from("ST_1"), numbers: vec![NUMBER.into()], ..InboundTrunk::default() };
        let rule = Rule::Direct { room_name: ROOM.into(), pin: String::new() };
        let rule = DispatchRule { id: RuleId::from("SDR_1"), rule: Some(rule), ..DispatchRule::default() };
        directory.load(vec![trunk], Vec::new(), vec![rule], Vec::new(), Vec::new());
        let options = Options { answer_policy: Some(AnswerPolicy::Immediate), ..Options::default() };
        directory.set_trunk_options(TrunkId::from("ST_1"), options);
        let config = Config {
            stack: StackConfig { server: "sim".into(), advertise: None, trying_after: Duration::from_millis(200) },
            routing,
            rooms: trunkline_room::Defaults::default(),
            media_advertised: None,
            max_load: 0.9,
            media_timeout_initial: Duration::from_secs(30),
            media_timeout: Duration::from_secs(30),
        };
        let mut exchange = Exchange::new(config, directory, Random::from_number(15));
        exchange.listens_on(vec![(Protocol::Udp, SERVER.parse().unwrap())]);
        let (sender, facts) = channel();
        let base = real();
        let config = trunkline_media::Config {
            threads: 1,
            ports: 0..=0,
            rtc: "127.0.0.1:0".parse().unwrap(),
            rtc_advertise: Vec::new(),
            rtc_tcp: None,
            rtc_force_tcp: false,
            quality: Quality::default(),
            jitter: Jitter::default(),
            clock: Arc::new(move || Time::new(real().duration_since(base).as_nanos() as u64, 0)),
        };
        let sink = Arc::new(move |facts: Vec<_>| {
            for fact in facts {
                // Who has gone wants to know nothing.
                let _ = sender.send(fact);
            }
        });
        Self {
            exchange,
            media: Media::start(config, sink).unwrap(),
            facts,
            now: Time::new(1_000_000_000, 1_700_000_000_000_000_000),
            sent: Vec::new(),
            records: Vec::new(),
            replies: BTreeMap::new(),
            opened: Vec::new(),
            inputs: VecDeque::new(),
            requests: 0,
        }
    }

    fn give(&mut self, input: Input) {
        self.inputs.push_back(input);
        while let Some(input) = self.inputs.pop_front() {
            if let Input::Media(MediaFact::Opened { rtp, .. }) = &input {
                self.opened.push(*rtp);
            }
            let mut outputs = Vec::new();
            self.exchange.handle(input, self.now, &mut outputs);
            for output in outputs {
                match output {
                    Output::Send(transmit) => {
                        let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
                        self.sent.push((transmit.flow.remote, text));
                    }
                    Output::Media(plan) => self.media.submit(plan),
                    Output::Persist(id, record) => {
                        if let Record::PutCall(record) = *record {
                            self.records.push(record);
                        }
                        self.inputs.push_back(Input::Stored(id, Ok(())));
                    }
                    Output::Reply(request, reply) => _ = self.replies.insert(request, reply.is_ok()),
                    _ => {}
                }
            }
        }
    }

    /// A SIP message arrives.
    pub fn receive(&mut self, remote: SocketAddr, text: String) {
        let flow = Flow { protocol: Protocol::Udp, local: SERVER.parse().unwrap(), remote, connection: 0 };
        let raw = Bytes::from(text);
        let message = Message::parse(raw.clone());
        assert!(message.is_ok(), "{raw:?}");
        self.give(Input::Sip(Box::new(Received { flow, at: self.now, raw, message })));
    }

    /// Takes what the media threads tell until this is so; virtual time stands still.
    pub fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(&mut Self) -> Option<T>) -> T {
        let until = real() + Duration::from_secs(20);
        loop {
            if let Some(found) = wanted(self) {
                return found;
            }
            assert!(real() < until, "{what} in time");
            if let Ok(fact) = self.facts.recv_timeout(Duration::from_millis(20)) {
                self.give(Input::Media(fact));
            }
        }
    }

    /// Virtual time passes, and what the media threads have told is taken.
    pub fn pass(&mut self, duration: Duration) {
        while let Ok(fact) = self.facts.try_recv() {
            self.give(Input::Media(fact));
        }
        let end = self.now + duration;
        while let Some(at) = self.exchange.poll_timeout().filter(|at| *at <= end) {
            self.now = Time { nanos: at.nanos.max(self.now.nanos), ..self.now };
            self.give(Input::Tick);
        }
        self.now = end;
    }

    /// Gives a command whose answer may take a while; its number.
    pub fn begin(&mut self, command: Command) -> RequestId {
        self.requests += 1;
        self.give(Input::Api(self.requests, Box::new(command)));
        self.requests
    }

    /// Whether the command was answered, and well.
    pub fn is_done(&self, request: RequestId) -> Option<bool> {
        self.replies.get(&request).copied()
    }

    /// The participants' identities and whether they say that the far end holds.
    pub fn participants(&mut self) -> Vec<(String, bool)> {
        self.requests += 1;
        let (wanted, now) = (self.requests, self.now);
        let mut outputs = Vec::new();
        self.exchange.handle(Input::Api(wanted, Box::new(Command::ListParticipants(ROOM.into()))), now, &mut outputs);
        for output in outputs {
            if let Output::Reply(_, Ok(Reply::Participants(all))) = output {
                let holds = |p: &trunkline_room::ParticipantInfo| p.attributes.contains_key("sip.hold");
                return all.iter().map(|p| (p.identity.clone(), holds(p))).collect();
            }
        }
        Vec::new()
    }
}
