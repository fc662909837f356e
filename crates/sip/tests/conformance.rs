//! The stack as a far end sees it, in virtual time: RFC 3261's timers, dialogs and refusals.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use bytes::Bytes;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use trunkline_sip::{
    Action, Event, Message, Stack, StackConfig, StreamReader,
    flow::{Flow, Protocol, Received},
};
use trunkline_types::{Random, Time};

struct Bench {
    stack: Stack,
    now: Time,
    sent: Vec<(u64, String)>,
    events: Vec<Event>,
}

fn flow() -> Flow {
    let (local, remote) = ("10.0.0.1:5060".parse().unwrap(), "10.0.0.2:5060".parse().unwrap());
    Flow { protocol: Protocol::Udp, local, remote, connection: 0 }
}

impl Bench {
    fn new() -> Self {
        let trying_after = Duration::from_millis(200);
        let config = StackConfig { server: "test".into(), advertise: None, trying_after };
        Self { stack: Stack::new(config, Random::from_number(1)), now: Time::new(0, 0), sent: vec![], events: vec![] }
    }

    fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send(t) => {
                    let millis = self.now.nanos / 1_000_000;
                    self.sent.push((millis, String::from_utf8_lossy(&t.bytes).into_owned()));
                }
                Action::Event(event) => self.events.push(event),
            }
        }
    }

    fn receive(&mut self, text: &str) {
        let raw = Bytes::from(text.to_owned());
        let message = Message::parse(raw.clone());
        let received = Received { flow: flow(), at: self.now, raw, message };
        let mut actions = Vec::new();
        self.stack.handle(&received, self.now, &mut actions);
        self.take(actions);
    }

    fn run_until(&mut self, millis: u64) {
        let end = Time::new(millis * 1_000_000, 0);
        while let Some(at) = self.stack.poll_timeout().filter(|at| *at <= end) {
            self.now = at;
            let mut actions = Vec::new();
            self.stack.handle_timeout(at, &mut actions);
            self.take(actions);
        }
        self.now = end;
    }

    fn answer(&mut self) {
        let Some(Event::Invite { invite, .. }) = self.events.pop() else { panic!("no INVITE") };
        let mut actions = Vec::new();
        self.stack.provisional(&invite, "ours", 180, "Ringing", &[], self.now, &mut actions);
        self.stack.answer(&invite, "ours", &[], None, self.now, &mut actions);
        self.take(actions);
    }

    fn times_of(&self, what: &str) -> Vec<u64> {
        self.sent.iter().filter(|(_, text)| text.starts_with(what)).map(|(at, _)| *at).collect()
    }

    fn last(&self) -> &str {
        self.sent.last().map_or("", |(_, text)| text.as_str())
    }
}

fn request(method: &str, cseq: u32, branch: &str, to_tag: &str, extra: &str) -> String {
    let tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
    format!(
        "{method} sip:+1555@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK{branch};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:caller@10.0.0.2>;tag=theirs\r\nTo: <sip:+1555@10.0.0.1>{tag}\r\n\
         Call-ID: call@10.0.0.2\r\nCSeq: {cseq} {method}\r\nContact: <sip:caller@10.0.0.2:5060>\r\n{extra}\
         Content-Length: 0\r\n\r\n"
    )
}

#[test]
fn a_200_is_repeated_until_64_t1_and_then_reported() {
    let mut bench = Bench::new();
    bench.receive(&request("INVITE", 1, "a", "", ""));
    bench.answer();
    bench.run_until(40_000);
    let wanted = [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500];
    assert_eq!(bench.times_of("SIP/2.0 200"), wanted);
    assert!(matches!(bench.events.last(), Some(Event::NeverAcked { .. })));
}

#[test]
fn an_ack_stops_the_200_and_180_and_200_share_their_tag() {
    let mut bench = Bench::new();
    bench.receive(&request("INVITE", 1, "a", "", "Record-Route: <sip:p2;lr>\r\nRecord-Route: <sip:p1;lr>\r\n"));
    bench.answer();
    bench.receive(&request("ACK", 1, "b", "ours", ""));
    assert!(matches!(bench.events.last(), Some(Event::Acked { .. })));
    bench.run_until(40_000);
    assert_eq!(bench.times_of("SIP/2.0 200").len(), 1);
    for (_, text) in &bench.sent {
        assert!(text.contains(";tag=ours"), "{text}");
        assert!(text.contains("Record-Route: <sip:p2;lr>\r\nRecord-Route: <sip:p1;lr>\r\n"), "{text}");
        assert!(text.contains("rport=5060") && text.contains("received=10.0.0.2"), "{text}");
    }
}

#[test]
fn a_refusal_is_repeated_by_timer_g_until_its_ack() {
    for acknowledge in [false, true] {
        let mut bench = Bench::new();
        bench.receive(&request("INVITE", 1, "a", "", ""));
        let Some(Event::Invite { invite, .. }) = bench.events.pop() else { panic!() };
        let mut actions = Vec::new();
        bench.stack.reject(&invite, "ours", 486, "Busy Here", &[], bench.now, &mut actions);
        bench.take(actions);
        if acknowledge {
            bench.receive(&request("ACK", 1, "a", "ours", ""));
        }
        bench.run_until(40_000);
        assert_eq!(bench.times_of("SIP/2.0 486").len(), if acknowledge { 1 } else { 11 });
        assert_eq!(bench.stack.counts(), Default::default());
    }
}

#[test]
fn our_bye_follows_timer_e_and_its_route() {
    let mut bench = Bench::new();
    bench.receive(&request("INVITE", 1, "a", "", "Record-Route: <sip:10.0.0.9;lr>, <sip:10.0.0.8;lr>\r\n"));
    bench.answer();
    bench.receive(&request("ACK", 1, "b", "ours", ""));
    let Some(Event::Acked { dialog, .. }) = bench.events.pop() else { panic!() };
    let headers = [("X-Route".to_owned(), "Sales; a=b, c".to_owned()), ("X-Evil".to_owned(), "a\r\nVia: x".to_owned())];
    let mut actions = Vec::new();
    bench.stack.request(&dialog, "BYE", &headers, None, bench.now, &mut actions).unwrap();
    bench.take(actions);
    let bye = bench.last().to_owned();
    assert!(bye.starts_with("BYE sip:caller@10.0.0.2:5060 SIP/2.0\r\n"), "{bye}");
    assert!(bye.contains("Route: <sip:10.0.0.9;lr>\r\nRoute: <sip:10.0.0.8;lr>\r\n"), "{bye}");
    assert!(bye.contains("\r\nX-Route: Sales; a=b, c\r\n") && !bye.contains("X-Evil"), "{bye}");
    assert!(bye.contains("From: <sip:+1555@10.0.0.1>;tag=ours\r\nTo: <sip:caller@10.0.0.2>;tag=theirs\r\n"), "{bye}");
    bench.run_until(40_000);
    let wanted = [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500];
    assert_eq!(bench.times_of("BYE"), wanted);
    assert!(matches!(bench.events.last(), Some(Event::Failed { .. })));
}

#[test]
fn cancel_is_answered_and_ends_the_invite() {
    let mut bench = Bench::new();
    bench.receive(&request("INVITE", 1, "a", "", ""));
    bench.receive(&request("CANCEL", 1, "a", "", ""));
    assert!(bench.times_of("SIP/2.0 200").len() == 1 && bench.times_of("SIP/2.0 487").len() == 1);
    assert!(matches!(bench.events.last(), Some(Event::Cancelled { .. })));
    bench.receive(&request("CANCEL", 1, "stray", "", ""));
    assert!(bench.last().starts_with("SIP/2.0 481"));
}

#[test]
fn a_late_cancel_leaves_the_call_alone() {
    let mut bench = Bench::new();
    bench.receive(&request("INVITE", 1, "a", "", ""));
    bench.answer();
    bench.receive(&request("CANCEL", 1, "a", "", ""));
    assert!(bench.last().starts_with("SIP/2.0 200") && bench.last().contains("1 CANCEL"));
    assert!(bench.times_of("SIP/2.0 487").is_empty());
    bench.receive(&request("BYE", 2, "c", "ours", ""));
    assert!(matches!(bench.events.last(), Some(Event::Request { dialog: Some(_), .. })));
}

#[test]
fn refusals_say_what_the_rfc_says() {
    let extra = |extra: &'static str| request("INVITE", 1, "x", "", extra);
    let cases = [
        (request("BYE", 2, "x", "nobody", ""), "481"),
        (request("FOO", 1, "x", "", ""), "501"),
        (request("MESSAGE", 1, "x", "", ""), "405"),
        (request("REGISTER", 1, "x", "", ""), "405"),
        (extra("Require: 100rel, precondition\r\n"), "420"),
        (request("UPDATE", 1, "x", "", ""), "481"),
        (request("PRACK", 1, "x", "", ""), "481"),
        (extra("Accept: text/nothing\r\n"), "406"),
        (request("OPTIONS", 1, "x", "", "").replace("sip:+1555@10.0.0.1 SIP", "nobodyKnowsThisScheme:x SIP"), "416"),
    ];
    for (text, status) in cases {
        let mut bench = Bench::new();
        bench.receive(&text);
        assert!(bench.last().starts_with(&format!("SIP/2.0 {status} ")), "{status}: {}\n{text}", bench.last());
        assert!(bench.last().contains(";tag="), "{}", bench.last());
    }
}

#[test]
fn merged_requests_and_old_numbers_are_refused() {
    let mut bench = Bench::new();
    bench.receive(&request("INVITE", 1, "a", "", ""));
    bench.receive(&request("INVITE", 1, "other", "", ""));
    assert!(bench.last().starts_with("SIP/2.0 482"));
    bench.answer();
    bench.receive(&request("ACK", 1, "b", "ours", ""));
    bench.receive(&request("OPTIONS", 1, "c", "ours", ""));
    assert!(bench.last().starts_with("SIP/2.0 500"));
    // A gap is legal.
    bench.receive(&request("BYE", 17, "d", "ours", ""));
    assert!(matches!(bench.events.last(), Some(Event::Request { .. })));
}

#[test]
fn malformed_messages_are_answered_from_what_can_be_read() {
    let good = request("INVITE", 1, "x", "", "");
    let cases = [
        (good.replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"), Some(505)),
        (good.replace("Content-Length: 0", "Content-Length: -5"), Some(400)),
        (good.replace("Content-Length: 0", "Content-Length: 18446744073709551615"), Some(400)),
        (good.replace("CSeq: 1 INVITE", "CSeq: 1 OPTIONS"), Some(400)),
        (good.replace("From:", "From: <sip:a@b>;tag=1\r\nFrom:"), Some(400)),
        (good.replace("Call-ID: call@10.0.0.2\r\n", ""), Some(400)),
        (good.replace("CSeq: 1 INVITE\r\n", ""), None),
        (good.replace("\r\n", "\n"), Some(400)),
    ];
    for (text, status) in cases {
        let fault = Message::parse(Bytes::from(text.clone())).unwrap_err();
        assert_eq!(fault.answer.is_some(), status.is_some(), "{text}");
        if let (Some(answer), Some(status)) = (fault.answer, status) {
            let answer = String::from_utf8_lossy(&answer).into_owned();
            assert!(answer.starts_with(&format!("SIP/2.0 {status} ")), "{answer}\n{text}");
        }
    }
}

#[test]
fn the_identity_is_the_one_outside_the_quotes() {
    for from in [
        r#""<sip:ceo@corp.example>" <sip:evil@x.example>;tag=1"#,
        r#""x\" <sip:ceo@corp.example>" <sip:evil@x.example>;tag=1"#,
        r#""a;tag=9" <sip:evil@x.example>;tag=1"#,
        "<sip:evil@x.example;tag=9>;tag=1",
    ] {
        let text = request("OPTIONS", 1, "x", "", "").replace("<sip:caller@10.0.0.2>;tag=theirs", from);
        let message = Message::parse(Bytes::from(text)).unwrap();
        let address = message.from();
        assert_eq!((address.uri.user.as_str(), address.uri.host.as_str()), ("evil", "x.example"), "{from}");
        assert_eq!(address.tag.as_deref(), Some("1"), "{from}");
    }
}

#[test]
fn a_message_prints_as_it_came() {
    for extra in ["X-Json: {\"a\":1,\"b\":\"c;d, e\"}\r\n", "x-weird-CaSe :  v \r\n", "X-A: 1\r\nX-B: 2\r\nX-A: 3\r\n"]
    {
        let bytes = Bytes::from(request("INVITE", 1, "x", "", extra));
        assert_eq!(Message::parse(bytes.clone()).unwrap().to_bytes(), bytes);
    }
    let folded = request("INVITE", 1, "x", "", "X-F: one\r\n  two\r\n");
    assert_eq!(Message::parse(Bytes::from(folded)).unwrap().header("x-f").as_deref(), Some("one two"));
}

#[test]
fn what_one_reader_takes_for_a_header_and_another_does_not_is_refused() {
    let good = request("INVITE", 1, "x", "", "X-A: 1\r\n");
    for (from, to) in [
        ("X-A: 1", "X-A: 1\nX-Forged: 2"),
        ("X-A: 1", "X-A: 1\rX-Forged: 2"),
        ("X-A: 1", "X-A: 1\r\r"),
        ("X-A: 1", "X A: 1"),
        ("X-A: 1", ": 1"),
        ("X-A: 1", "X-A"),
        ("X-A: 1", "X-\u{a0}A: 1"),
        ("Content-Length: 0", "Content-Length: \u{a0}0"),
        ("Content-Length: 0", "Content-Length: 0\x0b"),
        ("<sip:caller@10.0.0.2>", "<sip:caller@10.0.0.2?x=@evil.example>"),
        ("<sip:caller@10.0.0.2>", "<sip:caller@10.0.0.2> <sip:evil@x.example>"),
        ("<sip:caller@10.0.0.2>", "Bell, Alexander <sip:caller@10.0.0.2>"),
        ("<sip:caller@10.0.0.2>", "\"Bell <sip:caller@10.0.0.2>"),
    ] {
        let text = good.replacen(from, to, 1);
        let fault = Message::parse(Bytes::from(text.clone())).expect_err(&text);
        let answer = String::from_utf8_lossy(&fault.answer.expect(&text)).into_owned();
        assert!(answer.starts_with("SIP/2.0 400 ") && !answer.contains("Forged"), "{answer}\n{text}");
        assert!(!answer.replace("\r\n", "").contains(['\r', '\n']), "{answer}");
    }
    // What carriers write is none of that.
    for name in ["AT&T", "O'Brien (sales)", "J. Bell / Ü", "\"Bell, Alexander\"", ""] {
        let text = good.replacen("<sip:caller", &format!("{name} <sip:caller"), 1);
        assert!(Message::parse(Bytes::from(text)).is_ok(), "{name}");
    }
}

#[test]
fn a_stream_and_a_datagram_read_the_same_content_length() {
    let body = "Content-Length: 0\r\n\r\n";
    for (header, length) in [
        ("Content-Length:\r\n 3\r\n", Some(3)),
        ("l : 003\r\n", Some(3)),
        ("X-A: 1\r\n Content-Length: 5\r\nContent-Length: 3\r\n", Some(3)),
        ("X-A: 1\r\n Content-Length: 3\r\n", None),
        ("Content-Length: 3\r\n ,3\r\n", None),
    ] {
        let text = request("OPTIONS", 1, "x", "", header).replacen(body, "\r\n", 1) + "abcd";
        let framed = StreamReader::new().push(text.as_bytes());
        match length {
            Some(length) => {
                let (raw, message) = framed.unwrap().remove(0);
                assert_eq!(message.unwrap().body().len(), length, "{header}");
                assert_eq!(Message::parse(Bytes::from(text)).unwrap().body().len(), length, "{header}");
                assert!(raw.ends_with(b"\r\n\r\nabc"), "{header}");
            }
            None => assert!(framed.unwrap_err().close, "{header}"),
        }
    }
}

/// Bytes that say when the last reference to them is gone.
struct Watched(Vec<u8>, Arc<AtomicBool>);

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.1.store(true, Ordering::Relaxed);
    }
}

#[test]
fn an_open_dialog_does_not_keep_its_invite() {
    let gone = Arc::new(AtomicBool::new(false));
    let mut bench = Bench::new();
    let text = request("INVITE", 1, "a", "", &"X-Filler: 0123456789\r\n".repeat(100));
    let raw = Bytes::from_owner(Watched(text.into_bytes(), gone.clone()));
    let received = Received { flow: flow(), at: bench.now, message: Message::parse(raw.clone()), raw };
    let mut actions = Vec::new();
    bench.stack.handle(&received, bench.now, &mut actions);
    drop(received);
    bench.take(actions);
    let Some(Event::Invite { invite, .. }) = bench.events.pop() else { panic!("no INVITE") };
    assert!(gone.load(Ordering::Relaxed), "the stack keeps the message of a ringing call");
    // What it did keep is enough for everything that follows.
    let mut actions = Vec::new();
    bench.stack.provisional(&invite, "ours", 180, "Ringing", &[], bench.now, &mut actions);
    let dialog = bench.stack.answer(&invite, "ours", &[], None, bench.now, &mut actions).unwrap();
    bench.take(actions);
    assert!(bench.last().contains("\r\nCSeq: 1 INVITE\r\n") && bench.last().contains(";branch=z9hG4bKa"));
    bench.receive(&request("INVITE", 1, "a", "", ""));
    assert_eq!(bench.times_of("SIP/2.0 200").len(), 2, "a repeated INVITE gets its 200 again");
    bench.receive(&request("CANCEL", 1, "a", "", ""));
    assert!(bench.last().contains("1 CANCEL"));
    bench.receive(&request("ACK", 1, "b", "ours", ""));
    bench.run_until(40_000);
    bench.stack.request(&dialog, "BYE", &[], None, bench.now, &mut Vec::new()).unwrap();
    bench.run_until(80_000);
    bench.stack.forget(&dialog);
    assert_eq!(bench.stack.counts(), Default::default());
}
