//! A scripted far end of calls that we make.
#![allow(dead_code, reason = "each test program uses its part")]

use bytes::Bytes;
use std::{net::SocketAddr, time::Duration};
use trunkline_sip::{
    Action, ClientId, DialogId, Event, Message, Outgoing, Stack, StackConfig,
    flow::{Flow, Protocol, Received},
};
use trunkline_types::{Random, Time};

pub struct Bench {
    pub stack: Stack,
    pub now: Time,
    /// When and what was sent.
    pub sent: Vec<(u64, String)>,
    pub remotes: Vec<SocketAddr>,
    pub events: Vec<(u64, Event)>,
    /// Where messages come from.
    pub from: Flow,
}

pub fn flow_to(remote: &str) -> Flow {
    let (local, remote) = ("10.0.0.1:5060".parse().unwrap(), remote.parse().unwrap());
    Flow { protocol: Protocol::Udp, local, remote, connection: 0 }
}

pub fn outgoing() -> Outgoing {
    Outgoing {
        call_id: "call@10.0.0.1".into(),
        local_tag: "ours".into(),
        request_uri: "sip:+1555@10.0.0.2".into(),
        from: "<sip:us@10.0.0.1>".into(),
        to: "<sip:+1555@10.0.0.2>".into(),
        routes: Vec::new(),
        headers: Vec::new(),
        body: Some(("application/sdp".into(), Bytes::from_static(b"v=0\r\n"))),
        flow: flow_to("10.0.0.2:5060"),
        credentials: None,
    }
}

/// An answer to a request of ours, with this To-tag unless the request has one.
pub fn answer(request: &str, status: &str, tag: &str, extra: &str) -> String {
    let mut text = format!("SIP/2.0 {status}\r\n");
    for line in request.lines().skip(1).take_while(|l| !l.is_empty()) {
        let name = line.split(':').next().unwrap();
        match name {
            "To" if !line.contains(";tag=") && !tag.is_empty() => text.push_str(&format!("{line};tag={tag}\r\n")),
            "Via" | "From" | "To" | "Call-ID" | "CSeq" => text.push_str(&format!("{line}\r\n")),
            _ => {}
        }
    }
    format!("{text}{extra}Content-Length: 0\r\n\r\n")
}

/// A request of the far end within a dialog that we began.
pub fn request_to_us(method: &str, cseq: u32, branch: &str, our_tag: &str, their_tag: &str, extra: &str) -> String {
    format!(
        "{method} sip:10.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK{branch};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:+1555@10.0.0.2>;tag={their_tag}\r\nTo: <sip:us@10.0.0.1>;tag={our_tag}\r\n\
         Call-ID: call@10.0.0.1\r\nCSeq: {cseq} {method}\r\nContact: <sip:callee@10.0.0.2:5060>\r\n{extra}\
         Content-Length: 0\r\n\r\n"
    )
}

impl Bench {
    pub fn new() -> Self {
        let trying_after = Duration::from_millis(200);
        let config = StackConfig { server: "test".into(), advertise: None, trying_after };
        let stack = Stack::new(config, Random::from_number(1));
        let from = flow_to("10.0.0.2:5060");
        Self { stack, now: Time::new(0, 0), sent: vec![], remotes: vec![], events: vec![], from }
    }

    pub fn millis(&self) -> u64 {
        self.now.nanos / 1_000_000
    }

    pub fn doing<T>(&mut self, what: impl FnOnce(&mut Stack, Time, &mut Vec<Action>) -> T) -> T {
        let mut actions = Vec::new();
        let result = what(&mut self.stack, self.now, &mut actions);
        let millis = self.millis();
        for action in actions {
            match action {
                Action::Send(t) => {
                    self.remotes.push(t.flow.remote);
                    self.sent.push((millis, String::from_utf8_lossy(&t.bytes).into_owned()));
                }
                Action::Event(event) => self.events.push((millis, event)),
            }
        }
        result
    }

    pub fn invite(&mut self, outgoing: Outgoing) -> ClientId {
        self.doing(|stack, now, out| stack.invite(outgoing, now, out))
    }

    pub fn retarget(&mut self, client: &ClientId, flow: Flow) {
        self.doing(|stack, now, out| stack.retarget(client, flow, now, out));
    }

    pub fn cancel(&mut self, client: &ClientId) {
        let headers = [("Reason".to_owned(), "SIP;cause=487".to_owned())];
        self.doing(|stack, now, out| stack.cancel(client, &headers, now, out));
    }

    pub fn acknowledge(&mut self, dialog: &DialogId) {
        self.doing(|stack, now, out| stack.acknowledge(dialog, None, now, out));
    }

    pub fn reinvite(&mut self, dialog: &DialogId) -> Option<ClientId> {
        self.doing(|stack, now, out| stack.reinvite(dialog, &[], None, now, out))
    }

    pub fn request(&mut self, dialog: &DialogId, method: &str) -> Option<ClientId> {
        self.doing(|stack, now, out| stack.request(dialog, method, &[], None, now, out))
    }

    pub fn closed(&mut self, flow: &Flow) {
        self.doing(|stack, _, out| stack.handle_closed(flow, "the connection is gone", out));
    }

    /// A confirmed dialog that we began.
    pub fn established(&mut self) -> DialogId {
        self.established_by(outgoing())
    }

    pub fn established_by(&mut self, outgoing: Outgoing) -> DialogId {
        self.invite(outgoing);
        let ok = answer(&self.last(), "200 OK", "theirs", "Contact: <sip:callee@10.0.0.2>\r\n");
        self.receive(&ok);
        let Some((_, Event::Answered { dialog, .. })) = self.events.last().cloned() else { panic!("no answer") };
        self.acknowledge(&dialog);
        dialog
    }

    pub fn receive(&mut self, text: &str) {
        let raw = Bytes::from(text.to_owned());
        let message = Message::parse(raw.clone());
        assert!(message.is_ok(), "{text}");
        let received = Received { flow: self.from, at: self.now, raw, message };
        self.doing(|stack, now, out| stack.handle(&received, now, out));
    }

    pub fn run_until(&mut self, millis: u64) {
        let end = Time::new(millis * 1_000_000, 0);
        while let Some(at) = self.stack.poll_timeout().filter(|at| *at <= end) {
            self.now = at;
            self.doing(|stack, now, out| stack.handle_timeout(now, out));
        }
        self.now = end;
    }

    pub fn times_of(&self, what: &str) -> Vec<u64> {
        self.sent.iter().filter(|(_, text)| text.starts_with(what)).map(|(at, _)| *at).collect()
    }

    pub fn texts(&self) -> Vec<String> {
        self.sent.iter().map(|(_, text)| text.clone()).collect()
    }

    pub fn last(&self) -> String {
        self.sent.last().map(|(_, text)| text.clone()).unwrap_or_default()
    }
}
