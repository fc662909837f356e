//! The exchange with media, a store and a DNS that answer at once, and a far end that the test plays.

#[path = "../surroundings/obeying.rs"]
mod obeying;

use bytes::Bytes;
use obeying::{config, obeyed};
use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};
use trunkline_call::media::{MediaFact, MediaPlan};
use trunkline_exchange::{
    Exchange, Input, Output,
    command::{ApiError, CallRecord, Command, DialRequest, Gauges, Reply, RequestId},
    port::Record,
};
use trunkline_room::ParticipantInfo;
use trunkline_routing::{
    Directory, Settings,
    dial::Dial,
    record::{Options, OutboundTrunk},
};
use trunkline_sip::{
    Message,
    flow::{Flow, Protocol, Received},
    locate::Records,
};
use trunkline_types::{Random, Time, TrunkId};

pub const ROOM: &str = "room";
pub const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
                       m=audio 40000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";

/// A message as it was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub flow: Flow,
    pub text: String,
}

impl Sent {
    pub fn method(&self) -> &str {
        self.text.split(' ').next().unwrap()
    }

    pub fn header(&self, name: &str) -> Option<String> {
        Message::parse(Bytes::from(self.text.clone().into_bytes())).unwrap().header(name)
    }
}

/// See the module.
pub struct World {
    pub exchange: Exchange,
    pub now: Time,
    pub sent: Vec<Sent>,
    pub media: Vec<MediaPlan>,
    pub replies: BTreeMap<RequestId, Result<Reply, ApiError>>,
    pub records: Vec<CallRecord>,
    pub webhooks: Vec<(&'static str, Option<ParticipantInfo>)>,
    /// What names stand for; a name that is not there has no answer.
    pub dns: BTreeMap<String, Records>,
    /// Digits are sent as soon as asked for.
    pub sends_digits: bool,
    /// The exchange says that the drain is done.
    pub drained: bool,
    inputs: VecDeque<Input>,
    requests: RequestId,
}

pub fn target(last: u8) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), 5060)
}

pub fn trunk() -> OutboundTrunk {
    OutboundTrunk {
        id: TrunkId::from("ST_out"),
        address: "192.0.2.10".into(),
        numbers: vec!["+15550001111".into()],
        ..OutboundTrunk::default()
    }
}

pub fn request() -> DialRequest {
    DialRequest {
        dial: Dial { trunk_id: "ST_out".into(), call_to: "+15559876543".into(), ..Dial::default() },
        room_name: ROOM.into(),
        identity: String::new(),
        name: String::new(),
        metadata: String::new(),
        attributes: BTreeMap::new(),
        dtmf: String::new(),
        play_dialtone: false,
        hide_phone_number: false,
        ringing_timeout: None,
        max_call_duration: None,
        media: None,
        wait_until_answered: true,
    }
}

impl World {
    pub fn new() -> Self {
        Self::with(trunk(), Options::default())
    }

    pub fn with(trunk: OutboundTrunk, options: Options) -> Self {
        let routing = Settings::default();
        let mut directory = Directory::new(routing.clone());
        let id = trunk.id.clone();
        directory.load(Vec::new(), vec![trunk], Vec::new(), vec![(id, options)], Vec::new());
        let mut exchange = Exchange::new(config(routing), directory, Random::from_number(7));
        exchange.listens_on(vec![(Protocol::Udp, target(1)), (Protocol::Tcp, target(1))]);
        let mut world = Self {
            exchange,
            now: Time::new(1_000_000_000, 1_700_000_000_000_000_000),
            sent: Vec::new(),
            media: Vec::new(),
            replies: BTreeMap::new(),
            records: Vec::new(),
            webhooks: Vec::new(),
            dns: BTreeMap::new(),
            sends_digits: true,
            drained: false,
            inputs: VecDeque::new(),
            requests: 0,
        };
        world.wait(Duration::ZERO);
        world
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
            Output::Send(transmit) => {
                let text = String::from_utf8(transmit.bytes.to_vec()).unwrap();
                self.sent.push(Sent { flow: transmit.flow, text });
            }
            Output::Resolve(number, query) => {
                let records = self.dns.get(&query.host).cloned().ok_or_else(|| "no such name".to_owned());
                self.inputs.push_back(Input::Resolved(number, records));
            }
            Output::Media(plan) => {
                let fact = match &plan {
                    MediaPlan::SendDtmf { leg, .. } if self.sends_digits => {
                        Some(MediaFact::DtmfSent { leg: leg.clone() })
                    }
                    plan => obeyed(plan),
                };
                self.inputs.extend(fact.map(Input::Media));
                self.media.push(plan);
            }
            Output::Persist(id, record) => {
                if let Record::PutCall(record) = *record {
                    self.records.push(record);
                }
                self.inputs.push_back(Input::Stored(id, Ok(())));
            }
            Output::Reply(request, reply) => {
                assert!(self.replies.insert(request, reply).is_none(), "one reply for a request");
            }
            Output::Drained => self.drained = true,
            Output::Notify(webhook) => self.webhooks.push((webhook.event, webhook.participant)),
            _ => {}
        }
    }

    pub fn ask(&mut self, command: Command) -> RequestId {
        self.requests += 1;
        self.give(Input::Api(self.requests, Box::new(command)));
        self.requests
    }

    pub fn dial(&mut self, request: DialRequest) -> RequestId {
        self.ask(Command::CreateSipParticipant(Box::new(request)))
    }

    /// The reply, if there is one.
    pub fn reply(&self, request: RequestId) -> Option<Result<Reply, ApiError>> {
        self.replies.get(&request).cloned()
    }

    pub fn error(&self, request: RequestId) -> ApiError {
        self.reply(request).expect("a reply").expect_err("an error")
    }

    pub fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.exchange.poll_timeout().filter(|at| *at <= end) {
            self.now = Time { nanos: at.nanos.max(self.now.nanos), ..self.now };
            self.give(Input::Tick);
        }
        self.now = end;
    }

    /// All requests of a method, as they were sent.
    pub fn all(&self, method: &str) -> Vec<Sent> {
        self.sent.iter().filter(|s| s.method() == method).cloned().collect()
    }

    pub fn last(&self, method: &str) -> Sent {
        self.all(method).pop().unwrap_or_else(|| panic!("no {method} was sent"))
    }

    /// Answers a request of the exchange: status and phrase, further header lines, a body.
    pub fn answer(&mut self, to: &Sent, status: &str, headers: &str, body: &str) {
        let request = Message::parse(Bytes::from(to.text.clone().into_bytes())).unwrap();
        let header = |name: &str| request.header(name).unwrap();
        let tag = if request.to().tag.is_some() || status.starts_with("100") { "" } else { ";tag=far" };
        let contact = format!("Contact: <sip:far@{}>\r\n", to.flow.remote);
        // One that a test has in its headers stands alone.
        let contact = if headers.contains("Contact:") { String::new() } else { contact };
        let kind = if body.starts_with("v=") { "Content-Type: application/sdp\r\n" } else { "" };
        let text = format!(
            "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
             {contact}{headers}{kind}Content-Length: {}\r\n\r\n{body}",
            header("Via"),
            header("From"),
            header("To"),
            header("Call-ID"),
            header("CSeq"),
            body.len()
        );
        self.receive(to.flow, text);
    }

    pub fn receive(&mut self, flow: Flow, text: String) {
        let raw = Bytes::from(text.into_bytes());
        let message = Message::parse(raw.clone());
        let at = self.now;
        self.give(Input::Sip(Box::new(Received { flow, at, raw, message })));
    }

    /// A request of the far end in the dialog of the INVITE.
    pub fn far_request(&mut self, invite: &Sent, method: &str) {
        self.far_offer(invite, method, 20, "");
    }

    /// The same with further header lines.
    pub fn far_request_with(&mut self, invite: &Sent, method: &str, headers: &str) {
        self.far_message(invite, method, 20, headers, "");
    }

    /// The same with a number and an offer.
    pub fn far_offer(&mut self, invite: &Sent, method: &str, number: u32, offer: &str) {
        let kind = if offer.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        self.far_message(invite, method, number, kind, offer);
    }

    fn far_message(&mut self, invite: &Sent, method: &str, number: u32, headers: &str, offer: &str) {
        let from = invite.header("From").unwrap();
        let to = invite.header("To").unwrap();
        let text = format!(
            "{method} sip:{} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKfar{method}{number}\r\nMax-Forwards: 70\r\n\
             From: {to};tag=far\r\nTo: {from}\r\nCall-ID: {}\r\nCSeq: {number} {method}\r\n\
             Contact: <sip:far@192.0.2.10>\r\n{headers}Content-Length: {}\r\n\r\n{offer}",
            invite.flow.local,
            invite.flow.remote,
            invite.header("Call-ID").unwrap(),
            offer.len()
        );
        self.receive(invite.flow, text);
    }

    /// Dials and has it answered.
    pub fn connect(&mut self, request: DialRequest) -> (RequestId, Sent) {
        let number = self.dial(request);
        let invite = self.last("INVITE");
        self.answer(&invite, "200 OK", "", SDP);
        (number, invite)
    }

    /// Answers what ends a call, lets all timers run out and checks that nothing is left.
    pub fn finish(&mut self) {
        if let Some(bye) = self.all("BYE").pop() {
            self.answer(&bye, "200 OK", "", "");
        }
        self.wait(Duration::from_secs(90));
        let ended = self.records.iter().filter(|r| r.ending.is_some()).count();
        assert_eq!(ended, 1, "one final record");
        assert_eq!(self.webhooks.iter().filter(|(event, _)| *event == "sip_call_ended").count(), 1);
    }

    pub fn participant(&mut self) -> Option<ParticipantInfo> {
        let list = self.ask(Command::ListParticipants(ROOM.into()));
        match self.reply(list) {
            Some(Ok(Reply::Participants(all))) => all.into_iter().next(),
            _ => None,
        }
    }

    pub fn attribute(&mut self, name: &str) -> Option<String> {
        self.participant().and_then(|p| p.attributes.get(name).cloned())
    }

    /// The participant as it left.
    pub fn left(&self) -> ParticipantInfo {
        let left = self.webhooks.iter().find(|(event, _)| *event == "participant_left");
        left.and_then(|(_, p)| p.clone()).expect("it has left")
    }

    pub fn record(&self) -> CallRecord {
        self.records.iter().rfind(|r| r.ending.is_some()).cloned().expect("a final record")
    }

    pub fn gauges(&mut self) -> Gauges {
        let request = self.ask(Command::Gauges);
        match self.reply(request) {
            Some(Ok(Reply::Gauges(gauges))) => *gauges,
            other => panic!("{other:?}"),
        }
    }

    pub fn heard_at(&self) -> Vec<&MediaPlan> {
        self.media.iter().filter(|p| matches!(p, MediaPlan::Negotiated { .. } | MediaPlan::Start { .. })).collect()
    }
}
