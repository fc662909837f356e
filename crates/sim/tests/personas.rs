//! Personas call each other over real sockets: each is its own proof that it plays its part.

use std::{net::SocketAddr, time::Duration};
use trunkline_sim::persona::{Event, Plan, Running, Settings, Transport, start};

const PATIENCE: Duration = Duration::from_secs(20);
const NUMBER: &str = "+15559876543";

fn settings(pairs: &[(&str, &str)]) -> Settings {
    Settings::new(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())))
}

fn waits(name: &str, pairs: &[(&str, &str)]) -> Running {
    start(Plan { settings: settings(pairs), limit: Some(PATIENCE), ..Plan::new(name) }).unwrap()
}

fn calls(server: SocketAddr, name: &str, pairs: &[(&str, &str)]) -> Running {
    let call = Some((server, NUMBER.to_owned()));
    start(Plan { call, settings: settings(pairs), limit: Some(PATIENCE), ..Plan::new(name) }).unwrap()
}

fn all(running: Running) -> Vec<Event> {
    let events = running.events.iter().collect();
    running.wait();
    events
}

fn received(events: &[Event]) -> Vec<&str> {
    let texts = events.iter().filter_map(|event| match event {
        Event::Received { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

fn sent(events: &[Event]) -> Vec<&str> {
    let texts = events.iter().filter_map(|event| match event {
        Event::Sent { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

fn count(texts: &[&str], start: &str) -> usize {
    texts.iter().filter(|text| text.starts_with(start)).count()
}

/// The packets of the call and how many calls there were.
fn over(events: &[Event]) -> (u64, usize) {
    let packets = events.iter().filter_map(|event| match event {
        Event::Over { packets_in, .. } => Some(*packets_in),
        _ => None,
    });
    packets.fold((0, 0), |(sum, count), packets| (sum + packets, count + 1))
}

/// A caller that hangs up, and whom it calls.
fn meet(name: &str, pairs: &[(&str, &str)], caller: &[(&str, &str)]) -> (Vec<Event>, Vec<Event>) {
    let called = waits(name, pairs);
    let caller = calls(called.address, "answers", caller);
    let caller = all(caller);
    (caller, all(called))
}

#[test]
fn a_call_is_answered_has_audio_both_ways_digits_and_an_end() {
    let (caller, called) = meet("answers", &[("tone", "700")], &[("press", "12#"), ("hangup_after", "2.5")]);
    assert!(over(&caller).0 > 50 && over(&called).0 > 50, "{:?} {:?}", over(&caller), over(&called));
    assert!(called.iter().any(|e| matches!(e, Event::Digits { value, .. } if value == "12#")));
    assert!(caller.iter().any(|e| matches!(e, Event::Heard { hz: 690..=710, .. })), "the pitch is heard");
    assert_eq!(count(&received(&called), "BYE "), 1);
}

#[test]
fn refusals_are_what_they_are_called() {
    for (name, pairs, status) in [
        ("busy", &[][..], "SIP/2.0 486 Busy Here"),
        ("declines", &[][..], "SIP/2.0 603 Decline"),
        ("failing", &[][..], "SIP/2.0 503 Service Unavailable"),
        ("redirects", &[][..], "SIP/2.0 302 Moved Temporarily"),
        ("twilio", &[("refuse", "404")][..], "SIP/2.0 404 Not Found"),
        ("busy", &[("status", "480")][..], "SIP/2.0 480 Temporarily Unavailable"),
    ] {
        let (caller, called) = meet(name, pairs, &[]);
        assert_eq!(count(&received(&caller), status), 1, "{name}: {:?}", received(&caller));
        assert_eq!(count(&received(&called), "ACK "), 1, "{name}");
        assert_eq!((over(&caller).1, over(&called).1), (1, 1), "{name}");
        let texts = received(&caller).concat();
        assert_eq!(texts.contains("Retry-After: 30"), name == "failing");
        assert_eq!(texts.contains("X-Twilio-Error: 13224"), name == "twilio");
        assert_eq!(texts.contains("Contact: <sip:elsewhere@"), name == "redirects");
    }
}

#[test]
fn one_that_does_not_answer_is_cancelled() {
    let (caller, called) = meet("no-answer", &[], &[("cancel_after", "0.3")]);
    assert_eq!(count(&received(&called), "CANCEL "), 1);
    assert_eq!(count(&received(&caller), "SIP/2.0 487"), 1);
    assert_eq!(over(&caller).1, 1);
}

#[test]
fn one_that_is_silent_is_asked_again_and_again() {
    let called = waits("silent", &[]);
    let caller = calls(called.address, "answers", &[]);
    let mut invites = 0;
    while invites < 3 {
        match called.events.recv_timeout(PATIENCE).unwrap() {
            Event::Received { text, .. } if text.starts_with("INVITE ") => invites += 1,
            event => assert!(!matches!(event, Event::Sent { .. }), "{event:?}"),
        }
    }
    caller.stop();
    called.stop();
}

#[test]
fn a_refer_is_told_byte_for_byte_and_its_end_is_notified() {
    let target = "<tel:+15559876543;x-ai-agent-outcome=transfer%3ATech%20Support>";
    let (caller, called) = meet("invoca", &[("progress", "yes")], &[("refer", target), ("hangup_after", "2")]);
    assert!(called.iter().any(|e| matches!(e, Event::ReferTo { value, .. } if value == target)));
    let texts = received(&caller);
    assert_eq!(count(&texts, "SIP/2.0 202 "), 1);
    let notified: Vec<_> = texts.iter().filter(|text| text.starts_with("NOTIFY ")).collect();
    assert_eq!(notified.len(), 3);
    assert!(notified[0].ends_with("SIP/2.0 100 Trying\r\n") && notified[0].contains("Subscription-State: active"));
    assert!(notified[2].ends_with("SIP/2.0 200 OK\r\n") && notified[2].contains("Subscription-State: terminated"));
    let (caller, _) = meet("refuses-refer", &[], &[("refer", target), ("hangup_after", "1")]);
    assert_eq!(count(&received(&caller), "SIP/2.0 403 Forbidden"), 1);
}

#[test]
fn early_media_is_heard_before_the_answer() {
    for name in ["voicemail", "twilio"] {
        let (caller, _) = meet(name, &[("answer_after", "1.5")], &[("hangup_after", "0.3")]);
        let at = |wanted: &dyn Fn(&Event) -> bool| caller.iter().position(wanted).unwrap_or(usize::MAX);
        let heard = at(&|e| matches!(e, Event::Heard { .. }));
        let answered = at(&|e| matches!(e, Event::Received { text, .. } if text.starts_with("SIP/2.0 200 ")));
        assert!(heard < answered, "{name}: {heard} {answered}");
    }
}

#[test]
fn an_invite_without_an_offer_has_its_answer_in_the_ack() {
    let called = waits("answers", &[]);
    let caller = all(calls(called.address, "genesys", &[("hangup_after", "1")]));
    let called = all(called);
    let texts = received(&called);
    assert!(texts[0].starts_with("INVITE ") && !texts[0].contains("m=audio"));
    assert!(texts.iter().any(|text| text.starts_with("ACK ") && text.contains("m=audio")));
    assert!(over(&caller).0 > 20 && over(&called).0 > 20);
}

#[test]
fn what_happens_in_the_call_is_answered() {
    let (caller, _) = meet("holds", &[("after", "0.3"), ("for", "0.5")], &[("hangup_after", "1.5")]);
    let invites: Vec<_> = received(&caller).into_iter().filter(|text| text.starts_with("INVITE ")).collect();
    assert!(invites.len() == 2 && invites[0].contains("a=sendonly") && invites[1].contains("a=sendrecv"));
    assert!(sent(&caller).iter().any(|text| text.contains("a=recvonly")), "hold is answered");

    let (caller, called) = meet("recoder", &[("after", "0.4")], &[("hangup_after", "2")]);
    let texts = received(&caller).concat();
    assert!(["PCMA/8000", "G722/8000"].iter().all(|codec| texts.contains(codec)));
    assert!(over(&called).0 > 60 && over(&caller).0 > 60);

    for (name, method) in [("timer", "INVITE "), ("avaya", "UPDATE ")] {
        let (caller, called) = meet(name, &[("refresh_after", "0.3")], &[("hangup_after", "1.5")]);
        assert!(count(&received(&caller), method) >= 3, "{name}");
        assert!(received(&caller).concat().contains("Session-Expires: 90;refresher="));
        let route = received(&called)
            .iter()
            .any(|text| text.starts_with("BYE ") && text.contains("hop0") && text.contains("hop1"));
        assert_eq!(route, name == "avaya", "requests go through what recorded itself");
    }

    let (caller, _) = meet("hangs-up", &[("after", "0.5")], &[]);
    assert_eq!(count(&received(&caller), "BYE "), 1);
}

#[test]
fn both_branches_of_a_fork_answer() {
    let called = waits("forks", &[]);
    let caller = calls(called.address, "answers", &[("hangup_after", "1")]);
    let mut tags = std::collections::BTreeSet::new();
    while tags.len() < 2 {
        if let Event::Received { text, .. } = caller.events.recv_timeout(PATIENCE).unwrap()
            && text.starts_with("SIP/2.0 200 OK")
            && text.contains(" INVITE")
        {
            tags.extend(text.lines().find(|line| line.starts_with("To:")).map(str::to_owned));
        }
    }
    caller.stop();
    called.stop();
}

#[test]
fn the_picky_one_lets_in_who_knows_the_password() {
    for (algorithm, qop, status) in
        [("MD5", "none", "401"), ("SHA-256", "auth", "407"), ("SHA-512-256", "auth-int", "401")]
    {
        let pairs = [("algorithm", algorithm), ("qop", qop), ("status", status), ("methods", "INVITE,BYE")];
        let (caller, called) =
            meet("picky", &pairs, &[("user", "user"), ("password", "password"), ("hangup_after", "0.3")]);
        assert!(called.iter().any(|e| matches!(e, Event::Authorized { method, ok: true, .. } if method == "INVITE")));
        assert!(received(&caller).iter().any(|text| text.starts_with("SIP/2.0 200 ")), "{algorithm}");
    }
    let called = waits("picky", &[]);
    let caller = all(calls(called.address, "answers", &[("user", "user"), ("password", "wrong")]));
    assert_eq!(count(&received(&caller), "SIP/2.0 401"), 2);
    called.stop();
    assert!(all(called).iter().any(|e| matches!(e, Event::Authorized { ok: false, .. })));
}

#[test]
fn a_call_goes_through_two_proxies_by_its_route() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let plan = |name: &str| Plan { transport, limit: Some(PATIENCE), ..Plan::new(name) };
        let called = start(plan("invoca")).unwrap();
        let proxy = |next: SocketAddr| {
            let next = settings(&[("next", &next.to_string())]);
            start(Plan { settings: next, ..plan("proxy") }).unwrap()
        };
        let second = proxy(called.address);
        let first = proxy(second.address);
        let target = "<tel:+15559876543;x-ai-agent-outcome=transfer%3ATech%20Support>";
        let caller = Plan {
            call: Some((first.address, NUMBER.into())),
            settings: settings(&[("refer", target), ("hangup_after", "1.5")]),
            ..plan("answers")
        };
        let caller = all(start(caller).unwrap());
        first.stop();
        second.stop();
        let (called, addresses) = (all(called), [first.address, second.address]);
        assert!(called.iter().any(|e| matches!(e, Event::ReferTo { value, .. } if value == target)), "{transport:?}");
        for method in ["ACK ", "REFER ", "BYE "] {
            let sent = sent(&caller).into_iter().find(|text| text.starts_with(method)).unwrap().to_owned();
            let routes: Vec<_> = sent.lines().filter(|line| line.starts_with("Route:")).collect();
            assert!(routes.len() == 2 && (0..2).all(|n| routes[n].contains(&addresses[n].to_string())), "{sent}");
        }
        // And the other way.
        assert_eq!(count(&received(&caller), "NOTIFY "), 2, "{transport:?}");
        for proxied in [first, second] {
            assert!(count(&received(&all(proxied)), "BYE ") >= 1, "it stays in the path");
        }
    }
}

#[test]
fn a_call_is_encrypted_where_both_can() {
    let called = waits("answers", &[]);
    let caller = all(calls(called.address, "answers", &[("srtp", "yes"), ("hangup_after", "1.5")]));
    let called = all(called);
    assert!(received(&called)[0].contains("RTP/SAVP") && received(&caller).concat().contains("a=crypto:1 "));
    assert!(over(&caller).0 > 20 && caller.iter().any(|e| matches!(e, Event::Heard { hz: 430..=450, .. })));
    assert!(over(&called).0 > 20);
}
