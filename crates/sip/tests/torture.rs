//! The torture messages of RFC 4475 and RFC 5118, given to the real stack as datagrams and as
//! streams cut at every byte. What must come of each stands in `torture/expected.txt`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use bytes::Bytes;
use std::{collections::BTreeSet, fs, path::PathBuf, time::Duration};
use trunkline_sip::{
    Action, Event, Framed, Malformed, Message, Stack, StackConfig, StreamReader,
    flow::{Flow, Protocol, Received},
};
use trunkline_types::{Random, Time};

const OPTIONS: &str = "OPTIONS sip:trunkline@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKalive\r\n\
    From: <sip:a@10.0.0.2>;tag=alive\r\nTo: <sip:trunkline@10.0.0.1>\r\nCall-ID: alive\r\nCSeq: 1 OPTIONS\r\n\
    Content-Length: 0\r\n\r\n";

struct Case {
    name: String,
    datagram: String,
    stream: String,
    bytes: Bytes,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/torture")
}

fn cases() -> Vec<Case> {
    let text = fs::read_to_string(folder().join("expected.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let mut words = line.split_whitespace().map(str::to_owned);
            let mut word = || words.next().unwrap();
            let (name, datagram, stream) = (word(), word(), word());
            let bytes = Bytes::from(fs::read(folder().join(format!("{name}.dat"))).unwrap());
            Case { name, datagram, stream, bytes }
        })
        .collect()
}

struct Server {
    stack: Stack,
    flow: Flow,
}

impl Server {
    fn new(protocol: Protocol) -> Self {
        let trying_after = Duration::from_millis(200);
        let config = StackConfig { server: "test".into(), advertise: None, trying_after };
        let (local, remote) = ("10.0.0.1:5060".parse().unwrap(), "10.0.0.2:5060".parse().unwrap());
        let flow = Flow { protocol, local, remote, connection: 1 };
        Self { stack: Stack::new(config, Random::from_number(1)), flow }
    }

    /// What came of a message, in the words of `expected.txt`.
    fn outcome(&mut self, raw: Bytes, message: Result<Message, Malformed>) -> String {
        let now = Time::new(0, 0);
        let words = match &message {
            Err(malformed) => malformed.answer.iter().map(|answer| status(answer)).collect(),
            Ok(_) => Vec::new(),
        };
        let mut actions = Vec::new();
        self.stack.handle(&Received { flow: self.flow, at: now, raw, message }, now, &mut actions);
        let words: Vec<_> = words.into_iter().chain(actions.iter().map(word)).collect();
        if words.is_empty() { "drop".into() } else { words.join("&") }
    }

    /// The next request is served as if nothing had been; afterwards nothing is left.
    fn assert_alive(mut self, after: &str) {
        let raw = Bytes::from_static(OPTIONS.as_bytes());
        assert_eq!(self.outcome(raw.clone(), Message::parse(raw)), "options", "after {after}");
        let hour = Time::new(3_600_000_000_000, 0);
        self.stack.handle_timeout(hour, &mut Vec::new());
        let counts = self.stack.counts();
        // What waits for an answer of the exchange is the exchange's.
        assert_eq!(counts.dialogs, 0, "after {after}");
        assert!(counts.transactions <= 2, "after {after}: {counts:?}");
    }
}

fn status(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    assert!(text.ends_with("\r\n\r\n") && text.contains("\r\nCSeq: ") && text.contains("\r\nVia: "), "{text}");
    text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)).unwrap().to_owned()
}

fn word(action: &Action) -> String {
    match action {
        Action::Send(transmit) => status(&transmit.bytes),
        Action::Event(Event::Invite { .. }) => "invite".into(),
        Action::Event(Event::Request { message, dialog: None, .. }) => message.method().to_ascii_lowercase(),
        Action::Event(other) => panic!("{other:?}"),
    }
}

/// Everything a stream gave.
#[derive(Debug, PartialEq, Eq)]
struct Streamed {
    outcome: String,
    messages: Vec<Bytes>,
    pings: usize,
}

fn streamed(case: &Case, pieces: &[&[u8]]) -> Streamed {
    let (mut reader, mut framed, mut lost, mut pings) = (StreamReader::new(), Vec::<Framed>::new(), None, 0);
    for piece in pieces {
        match reader.push(piece) {
            Ok(messages) => framed.extend(messages),
            Err(malformed) => lost = Some(malformed),
        }
        pings += reader.take_pings();
    }
    let mut server = Server::new(Protocol::Tcp);
    let (mut words, mut messages) = (Vec::new(), Vec::new());
    for (raw, message) in framed {
        let close = message.as_ref().is_err_and(|m| m.close);
        messages.push(raw.clone());
        words.push(format!("{}{}", server.outcome(raw, message), if close { "+close" } else { "" }));
    }
    if let Some(malformed) = lost {
        assert!(malformed.close, "{}", case.name);
        let answer = malformed.answer.as_ref().map_or("drop".to_owned(), |answer| status(answer));
        words.push(format!("{answer}+close"));
    }
    let rest = reader.pending();
    let outcome = match (words.is_empty(), rest) {
        (true, _) => "wait".to_owned(),
        (false, rest) => words.join(",") + if rest { "+rest" } else { "" },
    };
    if pieces.len() != 2 {
        server.assert_alive(&case.name);
    }
    Streamed { outcome, messages, pings }
}

#[test]
fn every_message_has_its_answer_as_a_datagram() {
    let mut wrong = Vec::new();
    for case in cases() {
        let mut server = Server::new(Protocol::Udp);
        let message = Message::parse(case.bytes.clone());
        let why = message.as_ref().err().map(|m| m.why.clone()).unwrap_or_default();
        if let Ok(message) = &message {
            assert_eq!(message.to_bytes(), case.bytes, "{}", case.name);
        }
        let outcome = server.outcome(case.bytes.clone(), message);
        if outcome != case.datagram {
            wrong.push(format!("{}: {} expected, was {outcome} {why}", case.name, case.datagram));
        }
        server.assert_alive(&case.name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_message_has_its_answer_on_a_stream_wherever_it_is_cut() {
    let mut wrong = Vec::new();
    for case in cases() {
        let whole = streamed(&case, &[&case.bytes]);
        if whole.outcome != case.stream {
            wrong.push(format!("{}: {} expected, was {}", case.name, case.stream, whole.outcome));
        }
        let same = |pieces: &[&[u8]], how: String| {
            let cut = streamed(&case, pieces);
            // What the framing was lost at may be less of the rest.
            assert_eq!((&cut.outcome, cut.pings), (&whole.outcome, whole.pings), "{} {how}", case.name);
            if !whole.outcome.contains("close") {
                assert_eq!(cut, whole, "{} {how}", case.name);
            }
        };
        for at in 1..case.bytes.len() {
            same(&[&case.bytes[..at], &case.bytes[at..]], format!("cut at {at}"));
        }
        same(&case.bytes.chunks(1).collect::<Vec<_>>(), "byte by byte".into());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_names_every_message_and_no_other() {
    let mut there = BTreeSet::new();
    for part in ["rfc4475", "rfc5118", "amended"] {
        for entry in fs::read_dir(folder().join(part)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            there.insert(format!("{part}/{}", name.strip_suffix(".dat").unwrap()));
        }
    }
    let named: BTreeSet<_> = cases().into_iter().map(|case| case.name).collect();
    assert_eq!(named, there);
    let of = |part: &str| named.iter().filter(|name| name.starts_with(part)).count();
    assert_eq!((of("rfc4475/"), of("rfc5118/")), (49, 12));
}

fn case(name: &str) -> Bytes {
    cases().into_iter().find(|case| case.name == name).unwrap().bytes
}

fn answer_to(name: &str) -> String {
    let (raw, mut server) = (case(name), Server::new(Protocol::Udp));
    let message = Message::parse(raw.clone());
    if let Err(malformed) = message {
        return String::from_utf8_lossy(&malformed.answer.unwrap()).into_owned();
    }
    let received = Received { flow: server.flow, at: Time::new(0, 0), raw, message };
    let mut actions = Vec::new();
    server.stack.handle(&received, Time::new(0, 0), &mut actions);
    let Some(Action::Send(transmit)) = actions.pop() else { panic!("{name}: no answer") };
    String::from_utf8_lossy(&transmit.bytes).into_owned()
}

#[test]
fn answers_carry_what_their_section_wants() {
    for (name, header) in [
        ("intmeth", "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY"),
        ("bext01", "Unsupported: nothingSupportsThis, nothingSupportsThisEither"),
        ("invut", "Accept: application/sdp"),
        ("regaut01", "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY"),
        // RFC 4475 §3.3.1: with the fields that are there.
        ("insuf", "Via: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf"),
    ] {
        let answer = answer_to(&format!("rfc4475/{name}"));
        assert!(answer.contains(&format!("\r\n{header}\r\n")), "{name}: {answer}");
    }
    let insufficient = answer_to("rfc4475/insuf");
    for absent in ["From:", "To:", "Call-ID:"] {
        assert!(!insufficient.contains(absent), "{insufficient}");
    }
}

#[test]
fn values_are_read_as_their_section_says() {
    let parsed = |name: &str| Message::parse(case(name)).unwrap();
    let tortuous = parsed("rfc4475/wsinv");
    assert_eq!((tortuous.cseq(), tortuous.from().tag.as_deref()), (9, Some("98asjd8")));
    assert_eq!(tortuous.from().display, "J Rosenberg \\\"");
    assert_eq!(tortuous.header("NewFangledHeader").unwrap(), "newfangled value continued newfangled value");
    assert_eq!(tortuous.header_values("Via").len(), 2);
    let wide = parsed("rfc4475/intmeth");
    assert_eq!(wide.to().uri.user, "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*");
    assert_eq!(wide.to().uri.host, "example.com");
    let escaped = parsed("rfc4475/esc01");
    assert_eq!(escaped.to().uri.user, "user");
    let semicolon = parsed("rfc4475/semiuri");
    assert_eq!(trunkline_sip::Uri::parse(semicolon.request_uri()).user, "user;par=u@example.net");
    assert_eq!(parsed("rfc4475/esc02").header_values("Contact").len(), 2);
    let ambiguous = trunkline_sip::Uri::parse(parsed("rfc5118/port-ambiguous").request_uri());
    assert_eq!((ambiguous.host.as_str(), ambiguous.port), ("2001:db8::10:5070", None));
    let unambiguous = trunkline_sip::Uri::parse(parsed("rfc5118/port-unambiguous").request_uri());
    assert_eq!((unambiguous.host.as_str(), unambiguous.port), ("2001:db8::10", Some(5070)));
    assert!(parsed("amended/ipv6-in-sdp-counted").sdp().unwrap().ends_with(b"H263-1998/90000\r\n"));
}
