//! Every edge number in every numeric position: nothing panics, the legal ones are served, the
//! others refused or, where a user agent does not look, ignored; and the next request is served.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use bytes::Bytes;
use std::time::Duration;
use trunkline_sip::{
    Action, Event, Message, Stack, StackConfig, StreamReader,
    flow::{Flow, Protocol, Received},
};
use trunkline_types::{Random, Time, limits};

const BODY: usize = 150;

/// The values: as they are, whatever the position makes of them.
fn values(genuine: u64) -> Vec<String> {
    let odd = [
        "", " ", "-0", "+0", "+1", "00", "007", "1 ", " 1", "1,2", "1;x", "1.0", "1e3", "0x10", "\0", "٣", "３", "-1",
        "-5",
    ];
    let mut values: Vec<String> = odd.iter().map(|v| (*v).to_owned()).collect();
    let numbers: [u128; 34] = [
        0,
        1,
        69,
        70,
        71,
        127,
        128,
        255,
        256,
        699,
        700,
        65_534,
        65_535,
        65_536,
        32_767,
        32_768,
        2_147_483_647,
        2_147_483_648,
        4_294_967_295,
        4_294_967_296,
        4_294_967_297,
        1 << 53,
        (1 << 63) - 1,
        1 << 63,
        (1 << 64) - 200,
        (1 << 64) - 4,
        (1 << 64) - 1,
        1 << 64,
        (1 << 64) + 1,
        (1 << 64) + 150,
        1 << 65,
        limits::SIP_MESSAGE_BYTES as u128 - 1,
        limits::SIP_MESSAGE_BYTES as u128,
        limits::SIP_MESSAGE_BYTES as u128 + 1,
    ];
    values.extend(numbers.iter().map(ToString::to_string));
    values.extend([genuine.saturating_sub(1), genuine, genuine + 1].iter().map(ToString::to_string));
    values.extend(["9".repeat(20), "1".repeat(100), "7".repeat(1_000), "0".repeat(8_192) + "1"]);
    values
}

/// What digits say; `None` for anything else. White space around a value is not part of it.
fn digits(value: &str) -> Option<u128> {
    let value = value.trim_matches(' ');
    if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(value.trim_start_matches('0').parse().unwrap_or(if value.contains(|c| c != '0') { u128::MAX } else { 0 }))
}

fn is_long(value: &str) -> bool {
    value.len() > 8_000
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Served,
    Answered(String),
    Nothing,
}

fn refused(status: &str) -> Outcome {
    Outcome::Answered(status.into())
}

fn served_if(legal: bool) -> Outcome {
    if legal { Outcome::Served } else { refused("400") }
}

struct Server {
    stack: Stack,
    flow: Flow,
    sent: Vec<String>,
}

impl Server {
    fn new() -> Self {
        let trying_after = Duration::from_millis(200);
        let config = StackConfig { server: "test".into(), advertise: None, trying_after };
        let (local, remote) = ("10.0.0.1:5060".parse().unwrap(), "10.0.0.2:5060".parse().unwrap());
        let flow = Flow { protocol: Protocol::Udp, local, remote, connection: 0 };
        Self { stack: Stack::new(config, Random::from_number(1)), flow, sent: Vec::new() }
    }

    fn receive(&mut self, text: &str) -> Outcome {
        let (raw, now) = (Bytes::from(text.to_owned()), Time::new(0, 0));
        let message = Message::parse(raw.clone());
        let answer = message.as_ref().err().and_then(|m| m.answer.clone());
        let mut actions = Vec::new();
        self.stack.handle(&Received { flow: self.flow, at: now, raw, message }, now, &mut actions);
        // Up to the 100, which is built from the same values.
        self.stack.handle_timeout(Time::new(300_000_000, 0), &mut actions);
        let mut outcome = answer.map_or(Outcome::Nothing, |answer| refused(&self.status(&answer)));
        for action in actions {
            match action {
                Action::Event(_) => outcome = Outcome::Served,
                Action::Send(transmit) => {
                    let status = self.status(&transmit.bytes);
                    if outcome == Outcome::Nothing {
                        outcome = refused(&status);
                    }
                }
            }
        }
        outcome
    }

    fn status(&mut self, bytes: &[u8]) -> String {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let status = text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)).unwrap_or("").to_owned();
        self.sent.push(text);
        status
    }

    fn assert_alive(&mut self, after: &str) {
        let text =
            invite().replace("INVITE", "OPTIONS").replace("z9hG4bKx", "z9hG4bKalive").replace("the-call", "alive");
        assert_eq!(self.receive(&text), Outcome::Served, "after {after}");
    }
}

fn invite() -> String {
    format!(
        "INVITE sip:+1555@10.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5061;ttl=1;branch=z9hG4bKx;rport=9\r\n\
         Max-Forwards: 70\r\nFrom: <sip:caller@10.0.0.2:5062>;tag=theirs\r\nTo: <sip:+1555@10.0.0.1:5063>\r\n\
         Call-ID: the-call\r\nCSeq: 1 INVITE\r\nContact: <sip:caller@10.0.0.2:5064>;q=0.5;expires=60\r\n\
         Expires: 180\r\nMin-Expires: 61\r\nMin-SE: 90\r\nSession-Expires: 1800;refresher=uas\r\nRSeq: 988\r\n\
         RAck: 776 1656 INVITE\r\nRetry-After: 17;duration=3600\r\nTimestamp: 54.25\r\n\
         Warning: 307 a \"b\"\r\nReason: Q.850;cause=16\r\nAccept: application/sdp;q=0.7\r\n\
         Authorization: Digest username=\"a\", nc=00000001\r\nContent-Type: application/sdp\r\n\
         Content-Length: {BODY}\r\n\r\n{}",
        "b".repeat(BODY)
    )
}

/// A position: what stands there (`#` is the number), the number, and what must come of a value.
type Position = (&'static str, u64, fn(&str) -> Outcome);

/// Looked at, up to a limit; a line beyond 8 KiB is refused whatever it says.
fn up_to(value: &str, least: u128, most: u128) -> Outcome {
    served_if(!is_long(value) && digits(value).is_some_and(|n| (least..=most).contains(&n)))
}

/// In a URI within brackets: no white space; what follows a semicolon is another parameter.
fn uri_port(value: &str) -> Outcome {
    let port = value.split(';').next().unwrap();
    if port.contains(' ') { refused("400") } else { up_to(port, 1, 65_535) }
}

/// In a Via: a comma begins another hop, which this one is not.
fn via(value: &str, rule: fn(&str) -> Outcome) -> Outcome {
    if value.contains(',') { refused("400") } else { rule(value.split(';').next().unwrap()) }
}

fn ignored(value: &str) -> Outcome {
    served_if(!is_long(value))
}

fn positions() -> Vec<Position> {
    vec![
        ("Content-Length: #", 150, |v| up_to(v, 0, BODY as u128)),
        // RFC 3261 §8.1.1.5.
        ("CSeq: # INVITE", 1, |v| up_to(v, 0, (1 << 31) - 1)),
        ("Max-Forwards: #", 70, |v| up_to(v, 0, 255)),
        ("UDP 10.0.0.2:#;ttl", 5061, |v| via(v, |v| up_to(v, 1, 65_535))),
        (";ttl=#;branch", 1, |v| via(v, |v| up_to(v, 0, 255))),
        // RFC 3581 §3: without a value; ours replaces any.
        (";rport=#\r\n", 9, |v| via(v, ignored)),
        ("10.0.0.1:# SIP/2.0", 5060, |v| if is_long(v) { refused("414") } else { uri_port(v) }),
        ("<sip:caller@10.0.0.2:#>;tag", 5062, uri_port),
        ("<sip:+1555@10.0.0.1:#>\r\n", 5063, uri_port),
        ("<sip:caller@10.0.0.2:#>;q", 5064, uri_port),
        // Of registrations, session timers, reliable provisionals and responses: nothing of it is
        // done here, and a user agent ignores what it does not know (RFC 3261 §8.2.2).
        (";expires=#\r\n", 60, ignored),
        (";q=0.#;expires", 5, ignored),
        ("\r\nExpires: #\r\n", 180, ignored),
        ("Min-Expires: #", 61, ignored),
        ("Min-SE: #", 90, ignored),
        ("Session-Expires: #;refresher", 1800, ignored),
        ("RSeq: #", 988, ignored),
        ("RAck: # 1656 INVITE", 776, ignored),
        ("RAck: 776 # INVITE", 1656, ignored),
        ("Retry-After: #;", 17, ignored),
        (";duration=#", 3600, ignored),
        ("Timestamp: #.25", 54, ignored),
        ("Timestamp: 54.#\r\n", 25, ignored),
        ("Warning: # a", 307, ignored),
        (";cause=#", 16, ignored),
        ("application/sdp;q=0.#", 7, ignored),
        ("nc=0000000#", 1, ignored),
        // One number of a version: another version if it is a number, nonsense if not.
        (" SIP/#.0\r\nVia", 2, |v| match v {
            "2" => Outcome::Served,
            _ if v.contains(' ') || digits(v).is_none() => refused("400"),
            _ => refused("505"),
        }),
    ]
}

#[test]
fn every_edge_number_in_every_position_is_served_refused_or_ignored() {
    let mut wrong = Vec::new();
    for (position, genuine, rule) in positions() {
        let there = position.replace('#', &genuine.to_string());
        assert_eq!(invite().matches(&there).count(), 1, "{there}");
        for value in values(genuine) {
            let shown = format!("{position} with {:.40?}", value);
            let mut server = Server::new();
            let outcome = server.receive(&invite().replacen(&there, &position.replace('#', &value), 1));
            let expected = rule(&value);
            if outcome != expected {
                wrong.push(format!("{shown}: {expected:?} expected, was {outcome:?}"));
            }
            for sent in &server.sent {
                let bare = sent.replace("\r\n", "");
                assert!(!bare.contains(['\r', '\n']), "{shown}: {sent}");
            }
            server.assert_alive(&shown);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rport_is_ours_whatever_it_was() {
    for value in values(9).iter().filter(|v| !is_long(v) && !v.contains(',')) {
        let mut server = Server::new();
        server.receive(&invite().replace(";rport=9", &format!(";rport={value}")));
        let trying = server.sent.pop().unwrap();
        assert!(trying.starts_with("SIP/2.0 100 ") && trying.contains(";rport=5060"), "{value:?}: {trying}");
        assert!(trying.contains("\r\nTimestamp: 54.25\r\n"), "{trying}");
    }
}

#[test]
fn pairs_of_content_length_must_agree() {
    let value = values(150);
    for first in value.iter().filter(|v| !is_long(v)) {
        for second in value.iter().filter(|v| !is_long(v)) {
            let mut server = Server::new();
            let both = format!("Content-Length: {first}\r\nl: {second}");
            let outcome = server.receive(&invite().replace("Content-Length: 150", &both));
            let legal = digits(first).is_some_and(|n| n <= BODY as u128) && digits(first) == digits(second);
            assert_eq!(outcome, served_if(legal), "{first:?} {second:?}");
        }
    }
}

#[test]
fn content_length_cuts_a_stream_or_ends_it() {
    for value in values(150) {
        let text = invite().replace("Content-Length: 150", &format!("Content-Length: {value}"));
        let head = text.find("\r\n\r\n").unwrap() + 4;
        let fits = |n: u128| (head as u128).saturating_add(n) <= limits::SIP_MESSAGE_BYTES as u128;
        for pieces in [vec![text.as_bytes()], text.as_bytes().chunks(7).collect()] {
            let (mut reader, mut whole, mut lost) = (StreamReader::new(), Vec::new(), None);
            for piece in pieces {
                match reader.push(piece) {
                    Ok(messages) => whole.extend(messages),
                    Err(malformed) => lost = Some(malformed),
                }
            }
            match digits(&value).filter(|_| !is_long(&value)) {
                Some(n) if n <= BODY as u128 => {
                    assert_eq!(whole.len(), 1, "{value}");
                    assert_eq!(whole[0].0.len(), head + n as usize);
                    assert_eq!(reader.pending(), n < BODY as u128);
                }
                Some(n) if fits(n) => assert!(whole.is_empty() && lost.is_none() && reader.pending(), "{value}"),
                number => {
                    let lost = lost.unwrap();
                    // What is beyond 2^64 is no number at all.
                    let status = if number.is_some_and(|n| n <= u64::MAX.into()) { 513 } else { 400 };
                    assert_eq!((lost.status, lost.close, whole.len()), (status, true, 0), "{value}");
                    assert!(lost.answer.is_some() && !reader.pending());
                }
            }
        }
    }
}

#[test]
fn what_was_whole_before_the_framing_was_lost_is_delivered() {
    let good = invite();
    let mut reader = StreamReader::new();
    let messages = reader.push((good.clone() + &good + &good.replace(": 150", ": -1")).as_bytes()).unwrap();
    assert_eq!(messages.iter().map(|(_, m)| m.is_ok()).collect::<Vec<_>>(), [true, true, false]);
    let lost = messages[2].1.as_ref().unwrap_err();
    assert!(lost.close && lost.status == 400 && lost.answer.is_some());
    assert!(reader.push(good.as_bytes()).unwrap().is_empty(), "nothing is read after that");
}

#[test]
fn the_status_of_a_response_is_three_digits_from_100_to_699() {
    for value in values(200) {
        let mut server = Server::new();
        assert_eq!(server.receive(&invite()), Outcome::Served);
        let (now, mut actions) = (Time::new(0, 0), Vec::new());
        let id = invite_id(&mut server);
        let dialog = server.stack.answer(&id, "ours", &[], None, now, &mut actions).unwrap();
        server.stack.request(&dialog, "BYE", &[], None, now, &mut actions).unwrap();
        let Some(Action::Send(bye)) = actions.pop() else { panic!("no BYE") };
        let bye = String::from_utf8_lossy(&bye.bytes).into_owned();
        let (_, headers) = bye.split_once("\r\n").unwrap();
        let answer = format!("SIP/2.0 {value} OK\r\nRetry-After: {value:.50}\r\n{headers}");
        let legal = value.len() == 3 && digits(&value).is_some_and(|n| (100..700).contains(&n));
        let mut actions = Vec::new();
        let (raw, flow) = (Bytes::from(answer.clone()), server.flow);
        let message = Message::parse(raw.clone());
        assert!(message.as_ref().err().is_none_or(|m| m.answer.is_none()), "a response is never answered: {answer}");
        server.stack.handle(&Received { flow, at: now, raw, message }, now, &mut actions);
        let heard = actions.iter().any(|a| matches!(a, Action::Event(Event::Response { .. })));
        // A provisional answer is no event; it is heard by the next repetition coming late.
        let is_final = legal && digits(&value).is_some_and(|n| n >= 200);
        assert_eq!((heard, actions.len()), (is_final, usize::from(is_final)), "{value}");
        let repeats = |seconds: u64, server: &mut Server| {
            let mut actions = Vec::new();
            server.stack.handle_timeout(Time::new(seconds * 1_000_000_000, 0), &mut actions);
            let bye = |a: &Action| matches!(a, Action::Send(t) if t.bytes.starts_with(b"BYE"));
            actions.iter().filter(|a| bye(a)).count()
        };
        let (first, second) = (repeats(1, &mut server), repeats(3, &mut server));
        let wanted = if is_final { (0, 0) } else { (1, usize::from(!legal)) };
        assert_eq!((first, second), wanted, "{value}");
    }
}

/// The INVITE of a call that is not answered yet.
fn invite_id(server: &mut Server) -> trunkline_sip::InviteId {
    let text = invite().replace("z9hG4bKx", "z9hG4bKy").replace("the-call", "another-call");
    let (raw, now) = (Bytes::from(text), Time::new(0, 0));
    let message = Message::parse(raw.clone());
    let mut actions = Vec::new();
    server.stack.handle(&Received { flow: server.flow, at: now, raw, message }, now, &mut actions);
    let Some(Action::Event(Event::Invite { invite, .. })) = actions.pop() else { panic!("no INVITE") };
    invite
}

#[test]
fn every_limit_holds_at_the_limit_and_not_beyond() {
    let fill = |what: &str, times: usize| what.repeat(times);
    let with = |line: String| invite().replacen("\r\nFrom", &format!("\r\n{line}From"), 1);
    let headers = invite().split_once("\r\n\r\n").unwrap().0.lines().count() - 1;
    let name = "X: ".len();
    let (line, uri) = (limits::SIP_HEADER_BYTES - name, limits::URI_BYTES - "sip:+1555@10.0.0.1:5060;".len());
    let big = |beyond: usize| {
        let lines = fill(&format!("X: {}\r\n", fill("x", 4_000)), 13);
        let rest = limits::SIP_MESSAGE_BYTES + beyond - with(lines.clone()).len() - "Y: \r\nZ: \r\n".len();
        let (y, z) = (fill("y", rest / 2), fill("z", rest - rest / 2));
        with(lines + &format!("Y: {y}\r\nZ: {z}\r\n"))
    };
    let cases = [
        ("header lines", with(fill("X: 1\r\n", limits::SIP_HEADERS - headers)), "served"),
        ("header lines", with(fill("X: 1\r\n", limits::SIP_HEADERS + 1 - headers)), "400"),
        ("a header line", with(format!("X: {}\r\n", fill("x", line))), "served"),
        ("a header line", with(format!("X: {}\r\n", fill("x", line + 1))), "400"),
        ("Via", with(fill("Via: SIP/2.0/UDP a, SIP/2.0/UDP b, SIP/2.0/UDP c\r\n", 23)), "served"),
        ("Via", with(fill("Via: SIP/2.0/UDP a, SIP/2.0/UDP b\r\n", 35)), "400"),
        ("Route", with(fill("Route: <sip:a;lr>\r\n", limits::ROUTES)), "served"),
        ("Route", with(fill("Route: <sip:a;lr>\r\n", limits::ROUTES + 1)), "400"),
        ("Record-Route", with(fill("Record-Route: <sip:a;lr>, <sip:b;lr>\r\n", limits::ROUTES / 2)), "served"),
        ("Record-Route", with(fill("Record-Route: <sip:a;lr>, <sip:b;lr>\r\n", limits::ROUTES / 2 + 1)), "400"),
        ("the URI", invite().replacen(":5060 SIP", &format!(":5060;{} SIP", fill("u", uri)), 1), "served"),
        ("the URI", invite().replacen(":5060 SIP", &format!(":5060;{} SIP", fill("u", uri + 1)), 1), "414"),
        ("the message", big(0), "served"),
        ("the message", big(1), "513"),
    ];
    for (what, text, expected) in cases {
        let mut server = Server::new();
        let expected = if expected == "served" { Outcome::Served } else { refused(expected) };
        assert_eq!(server.receive(&text), expected, "{what} of {} bytes", text.len());
        server.assert_alive(what);
    }
}
