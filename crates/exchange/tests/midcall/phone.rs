//! A telephone that calls, and says what a test has it say.

use crate::world::{ROOM, World, obeying::config};
use bytes::Bytes;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};
use trunkline_call::media::{MediaFact, MediaPlan, Sound};
use trunkline_exchange::{Exchange, Input, command::CallRecord};
use trunkline_room::{Kind, ParticipantInfo};
use trunkline_routing::{
    Directory, Settings,
    record::{AnswerPolicy, DispatchRule, InboundTrunk, Options, OutboundTrunk, Rule},
};
use trunkline_sip::{
    Message,
    flow::{Flow, Protocol, Received},
};
use trunkline_types::{Random, RuleId, TrunkId};

pub(crate) const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    m=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n";

/// The mapping of the trunk, and its header.
pub(crate) fn trunk() -> InboundTrunk {
    InboundTrunk {
        id: TrunkId::from("ST_1"),
        numbers: vec!["+15551234567".into()],
        headers: [("X-Trunk".to_owned(), "ours".to_owned())].into(),
        attributes_to_headers: [("outcome".to_owned(), "X-Outcome".to_owned())].into(),
        ..InboundTrunk::default()
    }
}

pub(crate) fn direct(id: &str, room: &str, pin: &str) -> DispatchRule {
    let rule = Rule::Direct { room_name: room.into(), pin: pin.into() };
    DispatchRule { id: RuleId::from(id), rule: Some(rule), ..DispatchRule::default() }
}

pub(crate) fn world(options: Options) -> World {
    world_with(options, vec![direct("SDR_1", ROOM, "")])
}

pub(crate) fn world_with(options: Options, rules: Vec<DispatchRule>) -> World {
    world_of(options, rules, vec![trunk()], Vec::new())
}

/// With these trunks; `options` are those of the first one in.
pub(crate) fn world_of(
    options: Options,
    rules: Vec<DispatchRule>,
    inbound: Vec<InboundTrunk>,
    outbound: Vec<(OutboundTrunk, Options)>,
) -> World {
    let routing = Settings::default();
    let mut directory = Directory::new(routing.clone());
    let of_out = outbound.iter().map(|(trunk, options)| (trunk.id.clone(), options.clone())).collect();
    let out = outbound.into_iter().map(|(trunk, _)| trunk).collect();
    directory.load(inbound, out, rules, of_out, Vec::new());
    directory.set_trunk_options(
        TrunkId::from("ST_1"),
        Options {
            answer_policy: options.answer_policy.or(Some(AnswerPolicy::Immediate)),
            drain_ms: Some(0),
            ..options
        },
    );
    let mut exchange = Exchange::new(config(routing), directory, Random::from_number(5));
    let own = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 5060);
    exchange.listens_on(vec![(Protocol::Udp, own)]);
    World::with(exchange)
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Phone {
    pub(crate) call_id: String,
    /// The tag the exchange has given itself.
    pub(crate) to_tag: String,
    cseq: u32,
    host: u8,
}

impl Phone {
    /// Calls, is answered and acknowledges.
    pub(crate) fn call(world: &mut World, call_id: &str, headers: &str) -> Self {
        let mut phone = Self::new(call_id);
        let answer = phone.invite(world, headers, OFFER);
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
        phone
    }

    /// Sends an INVITE outside or inside the dialog; a final answer is acknowledged.
    pub(crate) fn invite(&mut self, world: &mut World, headers: &str, body: &str) -> String {
        let answer = self.request(world, "INVITE", headers, Some(("application/sdp", body)));
        if answer.starts_with("SIP/2.0 200") {
            self.to_tag = tag_of(&answer, "To");
            self.ack(world, None);
        }
        answer
    }

    /// A telephone that has sent nothing yet.
    pub(crate) fn new(call_id: &str) -> Self {
        Self::at(call_id, 1)
    }

    /// One on another host.
    pub(crate) fn at(call_id: &str, host: u8) -> Self {
        Self { call_id: call_id.into(), to_tag: String::new(), cseq: 0, host }
    }

    pub(crate) fn ack(&mut self, world: &mut World, sdp: Option<&str>) {
        let text = self.text("ACK", "", sdp.map(|sdp| ("application/sdp", sdp)));
        self.give(world, text);
    }

    /// Sends a request, waits a little and gives back the last answer to it.
    pub(crate) fn request(
        &mut self,
        world: &mut World,
        method: &str,
        headers: &str,
        body: Option<(&str, &str)>,
    ) -> String {
        self.cseq += 1;
        let text = self.text(method, headers, body);
        self.give(world, text);
        world.wait(Duration::from_millis(50));
        let wanted = format!("CSeq: {} {method}\r\n", self.cseq);
        let own = |text: &&String| text.starts_with("SIP/2.0") && text.contains(&wanted) && self.is_ours(text);
        world.sent.iter().rev().find(own).cloned().unwrap_or_default()
    }

    /// Takes the INVITE back.
    pub(crate) fn cancel(&self, world: &mut World, headers: &str) {
        let branch = |method: &str| format!("branch=z9hG4bK{}{method}", self.call_id);
        let text = self.text("CANCEL", headers, None).replace(&branch("CANCEL"), &branch("INVITE"));
        self.give(world, text);
        world.wait(Duration::from_millis(50));
    }

    fn is_ours(&self, text: &str) -> bool {
        text.contains(&format!("Call-ID: {}\r\n", self.call_id))
    }

    fn text(&self, method: &str, headers: &str, body: Option<(&str, &str)>) -> String {
        let (call_id, host, cseq) = (&self.call_id, self.host, self.cseq);
        let tag = if self.to_tag.is_empty() { String::new() } else { format!(";tag={}", self.to_tag) };
        let kind = body.map(|(kind, _)| format!("Content-Type: {kind}\r\n")).unwrap_or_default();
        let body = body.map_or("", |(_, body)| body);
        format!(
            "{method} sip:+15551234567@192.0.2.2 SIP/2.0\r\n\
             Via: SIP/2.0/UDP 198.51.100.{host}:5060;branch=z9hG4bK{call_id}{method}{cseq};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:+17770@198.51.100.{host}>;tag=far\r\n\
             To: <sip:+15551234567@192.0.2.2>{tag}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:u@198.51.100.{host}:5060>\r\n{headers}{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    pub(crate) fn give(&self, world: &mut World, text: String) {
        let at = |host| SocketAddr::new(IpAddr::V4(host), 5060);
        let (local, remote) = (at(Ipv4Addr::new(192, 0, 2, 2)), at(Ipv4Addr::new(198, 51, 100, self.host)));
        let flow = Flow { protocol: Protocol::Udp, local, remote, connection: 0 };
        let raw = Bytes::from(text);
        let (at, message) = (world.now, Message::parse(raw.clone()));
        assert!(message.is_ok(), "{raw:?}");
        world.give(Input::Sip(Box::new(Received { flow, at, raw, message })));
    }

    /// The requests of this method that were sent to it, repetitions left out.
    pub(crate) fn got(&self, world: &World, method: &str) -> Vec<String> {
        let start = format!("{method} ");
        let mut found: Vec<String> = Vec::new();
        for text in world.sent.iter().filter(|text| text.starts_with(&start) && self.is_ours(text)) {
            if !found.contains(text) {
                found.push(text.clone());
            }
        }
        found
    }

    /// The last of them.
    pub(crate) fn last(&self, world: &World, method: &str) -> String {
        self.got(world, method).pop().unwrap_or_else(|| panic!("no {method} was sent"))
    }

    /// Answers a request.
    pub(crate) fn answer(&self, world: &mut World, request: &str, status: &str, headers: &str, sdp: Option<&str>) {
        let copied: String = request
            .lines()
            .filter(|line| ["Via:", "From:", "To:", "Call-ID:", "CSeq:"].iter().any(|name| line.starts_with(name)))
            .map(|line| format!("{line}\r\n"))
            .collect();
        let kind = if sdp.is_some() { "Content-Type: application/sdp\r\n" } else { "" };
        let body = sdp.unwrap_or_default();
        self.give(
            world,
            format!(
                "SIP/2.0 {status}\r\n{copied}Contact: <sip:u@198.51.100.{}:5060>\r\n{headers}{kind}\
                 Content-Length: {}\r\n\r\n{body}",
                self.host,
                body.len()
            ),
        );
        world.wait(Duration::from_millis(20));
    }

    /// Answers the last request of this method with 200 and no body.
    pub(crate) fn ok(&self, world: &mut World, method: &str) {
        let request = self.last(world, method);
        self.answer(world, &request, "200 OK", "", None);
    }
}

pub(crate) fn header(text: &str, name: &str) -> Option<String> {
    let start = format!("{name}: ");
    text.lines().find_map(|line| line.strip_prefix(&start)).map(str::to_owned)
}

fn tag_of(text: &str, name: &str) -> String {
    let value = header(text, name).expect("the header");
    value.split_once(";tag=").map(|(_, tag)| tag.to_owned()).unwrap_or_default()
}

impl World {
    pub(crate) fn caller(&mut self) -> ParticipantInfo {
        self.participants().into_iter().find(|p| p.kind == Kind::Sip).expect("a caller")
    }

    pub(crate) fn attribute(&mut self, name: &str) -> Option<String> {
        self.caller().attributes.get(name).cloned()
    }

    pub(crate) fn record(&self) -> CallRecord {
        self.records.last().cloned().expect("a record")
    }

    /// What was played, in order.
    pub(crate) fn played(&self) -> Vec<Option<Sound>> {
        let sound = |plan: &MediaPlan| match plan {
            MediaPlan::Play { sound, .. } => Some(*sound),
            _ => None,
        };
        self.media.iter().filter_map(sound).collect()
    }

    /// The leg of the call of this number.
    pub(crate) fn leg(&self, number: usize) -> trunkline_call::media::LegKey {
        let opened = |plan: &MediaPlan| match plan {
            MediaPlan::Open { leg, .. } => Some(leg.clone()),
            _ => None,
        };
        self.media.iter().filter_map(opened).nth(number).expect("a leg")
    }

    pub(crate) fn press(&mut self, keys: &str) {
        for digit in keys.chars() {
            let code = u8::try_from("0123456789*#".find(digit).expect("a key")).expect("small");
            let leg = self.leg(0);
            self.give(Input::Media(MediaFact::Dtmf { leg, code, digit: Some(digit) }));
        }
    }

    pub(crate) fn sound_ends(&mut self, sound: Sound) {
        let leg = self.leg(0);
        self.give(Input::Media(MediaFact::Played { leg, sound }));
    }

    /// Nothing is left of any call.
    pub(crate) fn assert_over(&mut self) {
        self.wait(Duration::from_secs(70));
        assert!(self.records.last().is_some_and(|record| record.ending.is_some()));
        match self.ask(trunkline_exchange::command::Command::LiveCalls) {
            Some(Ok(trunkline_exchange::command::Reply::Calls(calls))) => assert!(calls.is_empty(), "{calls:?}"),
            other => panic!("{other:?}"),
        }
    }
}
