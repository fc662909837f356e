//! Workers that answer, rooms that call for them, and callers.

use crate::world::{ROOM, World};
use bytes::Bytes;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};
use trunkline_exchange::{
    Config, Exchange, Input,
    command::{Command, Reply},
    port::ConnectionId,
};
use trunkline_room::{
    Kind, Permission, RoomSettings,
    worker::{
        AgentRequest, Availability, DispatchInfo, Job, JobStatus, JobType, Pass, Registration, Request, Response,
        Status,
    },
};
use trunkline_routing::{
    Directory, Settings,
    record::{DispatchRule, InboundTrunk, Options, RoomConfig, Rule},
};
use trunkline_sip::{
    Message, StackConfig,
    flow::{Flow, Protocol, Received},
};
use trunkline_types::{JobId, ParticipantSid, Random, RuleId, TrunkId};

pub(crate) fn registration(agent_name: &str) -> Registration {
    Registration { agent_name: agent_name.into(), version: "1".into(), ..Registration::default() }
}

impl World {
    pub(crate) fn worker(&mut self, connection: ConnectionId, request: Request) {
        self.give(Input::Worker(connection, Box::new(request)));
    }

    /// A worker for rooms.
    pub(crate) fn register(&mut self, connection: ConnectionId, agent_name: &str) {
        self.worker(connection, Request::Register(registration(agent_name)));
    }

    pub(crate) fn register_for(&mut self, connection: ConnectionId, kind: JobType) {
        self.worker(connection, Request::Register(Registration { kind, ..registration("") }));
    }

    pub(crate) fn status(&mut self, connection: ConnectionId, full: bool, load: f32) {
        self.worker(connection, Request::Status(Status { full: Some(full), load, draining: false }));
    }

    pub(crate) fn told(&self, connection: ConnectionId) -> &[Response] {
        self.workers.get(&connection).map(Vec::as_slice).unwrap_or_default()
    }

    /// The jobs a worker was asked for, and whether they were another's before.
    pub(crate) fn offers(&self, connection: ConnectionId) -> Vec<(Job, bool)> {
        let offer = |r: &Response| match r {
            Response::Availability { job, resuming } => Some(((**job).clone(), *resuming)),
            _ => None,
        };
        self.told(connection).iter().filter_map(offer).collect()
    }

    pub(crate) fn last_offer(&self, connection: ConnectionId) -> Job {
        self.offers(connection).pop().expect("an offer").0
    }

    pub(crate) fn passes(&self, connection: ConnectionId) -> Vec<Pass> {
        let pass = |r: &Response| match r {
            Response::Assignment { pass, .. } => Some(pass.clone()),
            _ => None,
        };
        self.told(connection).iter().filter_map(pass).collect()
    }

    pub(crate) fn terminated(&self, connection: ConnectionId) -> Vec<JobId> {
        let job = |r: &Response| match r {
            Response::Termination(job) => Some(job.clone()),
            _ => None,
        };
        self.told(connection).iter().filter_map(job).collect()
    }

    pub(crate) fn accept(&mut self, connection: ConnectionId) -> JobId {
        let job = self.last_offer(connection).id;
        let answer = Availability { job: job.clone(), available: true, ..Availability::default() };
        self.worker(connection, Request::Availability(answer));
        job
    }

    pub(crate) fn decline(&mut self, connection: ConnectionId) {
        let job = self.last_offer(connection).id;
        self.worker(connection, Request::Availability(Availability { job, ..Availability::default() }));
    }

    pub(crate) fn update(&mut self, connection: ConnectionId, job: &JobId, status: JobStatus) {
        self.worker(connection, Request::UpdateJob { job: job.clone(), status, error: String::new() });
    }

    pub(crate) fn close(&mut self, connection: ConnectionId) {
        self.give(Input::WorkerClosed(connection));
    }

    pub(crate) fn make_room(&mut self, agents: Vec<AgentRequest>) {
        let settings = RoomSettings { agents, ..RoomSettings::default() };
        self.ask(Command::CreateRoom(ROOM.into(), settings)).expect("answered").expect("made");
    }

    /// The agent of the last assignment comes: its connection has this number.
    pub(crate) fn arrive(&mut self, worker: ConnectionId, connection: ConnectionId) -> ParticipantSid {
        let pass = self.passes(worker).pop().expect("an assignment");
        let mut connect = self.connect(&pass.identity);
        connect.join.kind = Kind::Agent;
        connect.join.permission = Permission { agent: true, ..Permission::default() };
        connect.join.attributes = pass.attributes;
        self.join_with(connection, connect).expect("answered").expect("joined");
        self.up(connection)
    }

    pub(crate) fn dispatches(&mut self) -> Vec<DispatchInfo> {
        match self.ask(Command::ListDispatches { room: Some(ROOM.into()), dispatch: None }) {
            Some(Ok(Reply::Dispatches(all))) => all,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn waiting(&mut self) -> String {
        self.dispatches().pop().expect("a dispatch").waiting
    }

    pub(crate) fn jobs(&mut self) -> Vec<Job> {
        self.dispatches().into_iter().flat_map(|d| d.jobs).collect()
    }

    pub(crate) fn statuses(&mut self) -> Vec<JobStatus> {
        self.jobs().into_iter().map(|j| j.state.status).collect()
    }

    pub(crate) fn hooks(&self) -> Vec<&'static str> {
        self.webhooks.iter().map(|(name, _)| *name).filter(|name| name.starts_with("agent_")).collect()
    }
}

/// A world whose callers come into the room.
pub(crate) fn telephones(options: Options, room_config: Option<RoomConfig>) -> World {
    let routing = Settings { drain_ms: 0, ..Settings::default() };
    let mut directory = Directory::new(routing.clone());
    let trunk = InboundTrunk {
        id: TrunkId::from("ST_1"),
        numbers: vec!["+15551234567".into()],
        attributes_to_headers: [("reason".to_owned(), "X-Reason".to_owned())].into(),
        ..InboundTrunk::default()
    };
    let rule = Rule::Direct { room_name: ROOM.into(), pin: String::new() };
    let rule = DispatchRule { id: RuleId::from("SDR_1"), rule: Some(rule), room_config, ..DispatchRule::default() };
    let options = vec![(RuleId::from("SDR_1"), options)];
    directory.load(vec![trunk], Vec::new(), vec![rule], Vec::new(), options);
    let config = Config {
        stack: StackConfig { server: "test".into(), advertise: None, trying_after: Duration::from_millis(200) },
        routing,
        rooms: trunkline_room::Defaults::default(),
        media_advertised: None,
        max_load: 0.9,
        media_timeout_initial: Duration::from_secs(3_000),
        media_timeout: Duration::from_secs(3_000),
    };
    World::with(Exchange::new(config, directory, Random::from_number(3)))
}

impl World {
    fn sip(&mut self, raw: String) {
        let at = |host| SocketAddr::new(IpAddr::V4(host), 5060);
        let (local, remote) = (at(Ipv4Addr::new(192, 0, 2, 2)), at(Ipv4Addr::new(198, 51, 100, 1)));
        let flow = Flow { protocol: Protocol::Udp, local, remote, connection: 0 };
        let (raw, at) = (Bytes::from(raw), self.now);
        let message = Message::parse(raw.clone());
        self.give(Input::Sip(Box::new(Received { flow, at, raw, message })));
    }

    /// Somebody calls; his 200 is acknowledged.
    pub(crate) fn call(&mut self) {
        let body = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                    m=audio 40000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";
        self.sip(format!(
            "INVITE sip:+15551234567@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKx;rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:+17770@198.51.100.1>;tag=f\r\nTo: <sip:+15551234567@192.0.2.2>\r\n\
             Call-ID: c\r\nCSeq: 1 INVITE\r\nContact: <sip:u@198.51.100.1:5060>\r\nX-Caller: Ann\r\n\
             X-Caller: Bob\r\nAuthorization: Digest secret\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
    }

    pub(crate) fn acknowledge(&mut self) {
        let tag = self.sent.iter().rev().find_map(|m| m.split("tag=SCL_").nth(1)).expect("a tag of ours");
        let tag: String = tag.chars().take_while(char::is_ascii_alphanumeric).collect();
        self.sip(format!(
            "ACK sip:+15551234567@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKy;rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:+17770@198.51.100.1>;tag=f\r\nTo: <sip:+15551234567@192.0.2.2>;tag=SCL_{tag}\
             \r\nCall-ID: c\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n"
        ));
    }

    /// The statuses of our answers to the INVITE, each once.
    pub(crate) fn answers(&self) -> Vec<&str> {
        let mut seen: Vec<&str> = self
            .sent
            .iter()
            .filter(|m| m.starts_with("SIP/2.0 ") && m.contains("CSeq: 1 INVITE"))
            .filter_map(|m| m.get(8..11))
            .collect();
        seen.dedup();
        seen
    }

    pub(crate) fn bye(&self) -> Option<&str> {
        self.sent.iter().find(|m| m.starts_with("BYE ")).map(String::as_str)
    }

    pub(crate) fn caller(&mut self) -> trunkline_room::ParticipantInfo {
        self.participants().into_iter().find(|p| p.kind == Kind::Sip).expect("a caller")
    }
}
