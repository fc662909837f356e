//! The signalling of a telephone in a long call: it calls, offers anew, holds, and answers what it is asked.

use crate::{
    phone::Phone,
    world::{NUMBER, SERVER, World},
};
use std::{net::SocketAddr, time::Duration};
use trunkline_call::media::Codec;

/// See the module.
pub struct Telephone {
    pub name: &'static str,
    pub sound: Phone,
    pub codec: Codec,
    pub direction: &'static str,
    /// Whether it knows UPDATE.
    pub updates: bool,
    /// Who refreshes the session, as its own requests ask for it.
    pub refresher: &'static str,
    address: SocketAddr,
    tag: String,
    cseq: u32,
    /// Messages of ours that it has looked at.
    seen: usize,
    /// The requests it was sent, by method.
    pub asked: Vec<String>,
}

impl Telephone {
    /// Calls and is up.
    pub fn call(world: &mut World, name: &'static str, port: u16, tone: f64, refresher: &'static str) -> Self {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
        let mut telephone = Self {
            name,
            sound: Phone::new(name, nowhere, Codec::Pcmu, tone),
            codec: Codec::Pcmu,
            direction: "sendrecv",
            updates: true,
            refresher,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            tag: String::new(),
            cseq: 0,
            seen: 0,
            asked: Vec::new(),
        };
        let answer = telephone.invite(world);
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
        telephone.sound.server = *world.opened.last().unwrap();
        telephone
    }

    fn sdp(&self) -> String {
        let (number, name) = match self.codec {
            Codec::Pcma => (8, "PCMA/8000"),
            Codec::G722 => (9, "G722/8000"),
            _ => (0, "PCMU/8000"),
        };
        format!(
            "v=0\r\no=- 1 {} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP {number} 101\r\n\
             a=rtpmap:{number} {name}\r\na=rtpmap:101 telephone-event/8000\r\na={}\r\n",
            self.cseq + 1,
            self.sound.address().port(),
            self.direction
        )
    }

    /// An INVITE or a re-INVITE of its own; the final answer, acknowledged.
    pub fn invite(&mut self, world: &mut World) -> String {
        let sdp = self.sdp();
        let answer = self.request(world, "INVITE", &sdp);
        if answer.starts_with("SIP/2.0 200 ") {
            let to = header(&answer, "To");
            self.tag = to.split_once(";tag=").map(|(_, tag)| tag.to_owned()).unwrap_or_default();
            let ack = self.text("ACK", "");
            world.receive(self.address, ack);
        }
        answer
    }

    /// A request of its own and its final answer.
    pub fn request(&mut self, world: &mut World, method: &str, sdp: &str) -> String {
        self.cseq += 1;
        let text = self.text(method, sdp);
        world.receive(self.address, text);
        let (address, cseq) = (self.address, format!("CSeq: {} {method}\r\n", self.cseq));
        let is_final = |(to, text): &&(SocketAddr, String)| {
            *to == address && text.starts_with("SIP/2.0 ") && !text.starts_with("SIP/2.0 1") && text.contains(&cseq)
        };
        world.until(method, |world| world.sent.iter().find(is_final).map(|(_, text)| text.clone()))
    }

    fn text(&self, method: &str, sdp: &str) -> String {
        let Self { name, address, cseq, .. } = self;
        let tag = if self.tag.is_empty() { String::new() } else { format!(";tag={}", self.tag) };
        let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let timer = match method {
            "INVITE" | "UPDATE" => format!("Supported: timer\r\nSession-Expires: 90;refresher={}\r\n", self.refresher),
            _ => String::new(),
        };
        let update = if self.updates { ", UPDATE" } else { "" };
        format!(
            "{method} sip:{NUMBER}@{SERVER} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK{name}{method}{cseq};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{name}@{address}>;tag=far\r\nTo: <sip:{NUMBER}@{SERVER}>{tag}\r\n\
             Call-ID: {name}\r\nCSeq: {cseq} {method}\r\nContact: <sip:{name}@{address}>\r\nAllow: INVITE, ACK, BYE{update}\r\n\
             {timer}{kind}Content-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        )
    }

    /// Answers what it was asked since it looked last.
    pub fn answer(&mut self, world: &mut World) {
        while let Some((to, text)) = world.sent.get(self.seen).cloned() {
            self.seen += 1;
            let method = text.split(' ').next().unwrap_or_default().to_owned();
            if to != self.address || method == "SIP/2.0" || method == "ACK" {
                continue;
            }
            self.asked.push(method.clone());
            let (status, body) = match method.as_str() {
                "UPDATE" if !self.updates => ("501 Not Implemented", String::new()),
                "INVITE" => {
                    self.direction = answering(&text);
                    ("200 OK", self.sdp())
                }
                _ => ("200 OK", String::new()),
            };
            let copied: String = ["Via", "From", "To", "Call-ID", "CSeq"]
                .iter()
                .map(|name| format!("{name}: {}\r\n", header(&text, name)))
                .collect();
            let timer =
                if body.is_empty() && method != "UPDATE" { "" } else { "Session-Expires: 90;refresher=uac\r\n" };
            let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
            let answer = format!(
                "SIP/2.0 {status}\r\n{copied}Contact: <sip:{}@{}>\r\n{timer}{kind}Content-Length: {}\r\n\r\n{body}",
                self.name,
                self.address,
                body.len()
            );
            world.receive(self.address, answer);
        }
    }

    /// How often it was asked so.
    pub fn times(&self, method: &str) -> usize {
        self.asked.iter().filter(|asked| *asked == method).count()
    }
}

/// So many virtual seconds, in which both answer what they are asked.
pub fn live(world: &mut World, both: &mut [&mut Telephone], seconds: u64) {
    for _ in 0..seconds {
        world.pass(Duration::from_secs(1));
        both.iter_mut().for_each(|telephone| telephone.answer(world));
    }
}

/// What fits the offer's direction.
fn answering(offer: &str) -> &'static str {
    match offer.lines().find(|line| matches!(*line, "a=sendonly" | "a=recvonly" | "a=inactive")) {
        Some("a=sendonly") => "recvonly",
        Some("a=recvonly") => "sendonly",
        Some(_) => "inactive",
        None => "sendrecv",
    }
}

fn header(text: &str, name: &str) -> String {
    let start = format!("{name}: ");
    text.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_default().to_owned()
}
