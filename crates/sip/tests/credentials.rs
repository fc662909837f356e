//! Digest as a client: who is told what, and how often.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod far_end;

use far_end::{Bench, answer, flow_to, outgoing, request_to_us};
use std::net::IpAddr;
use trunkline_sip::{Challenger, Credentials, DialogId, Event, Message, Outgoing, Verdict};

const USER: &str = "us\"er";
const PASSWORD: &str = "pass:word";

fn with_credentials() -> Outgoing {
    let peers = vec!["10.0.0.2".parse::<IpAddr>().unwrap()];
    let credentials = Credentials { username: USER.into(), password: PASSWORD.into(), peers };
    Outgoing { credentials: Some(credentials), ..outgoing() }
}

fn challenge(more: &str) -> String {
    format!("WWW-Authenticate: Digest realm=\"r\", nonce=\"n1\"{more}\r\n")
}

fn carries(text: &str) -> bool {
    text.to_ascii_lowercase().contains("authorization:")
}

fn verdict(request: &str, challenger: &mut Challenger) -> Verdict {
    let message = Message::parse(bytes::Bytes::from(request.to_owned())).unwrap();
    challenger.verify(&message, "realm of ours", USER, PASSWORD, trunkline_types::Time::new(0, 0))
}

#[test]
fn our_own_server_accepts_what_we_answer_to_each_challenge_of_it() {
    for only in ["SHA-256", "SHA-512-256", "MD5", "all"] {
        let mut challenger = Challenger::new([7; 32]);
        let values = challenger.challenge("realm of ours", false, trunkline_types::Time::new(0, 0));
        let wanted = format!("algorithm={only},");
        let lines = values.iter().filter(|v| only == "all" || v.contains(&wanted));
        let lines: String = lines.map(|v| format!("Proxy-Authenticate: {v}\r\n")).collect();
        let mut bench = Bench::new();
        bench.invite(with_credentials());
        let first = bench.last();
        assert!(!carries(&first));
        bench.receive(&answer(&first, "407 Proxy Authentication Required", "x", &lines));
        let second = bench.last();
        assert!(second.contains("\r\nCSeq: 2 INVITE\r\n") && second.contains("\r\nProxy-Authorization: Digest "));
        assert_ne!(first.lines().nth(1), second.lines().nth(1), "a new branch");
        assert_eq!(verdict(&second, &mut challenger), Verdict::Accepted, "{second}");
        if only == "all" {
            assert!(second.contains("algorithm=SHA-512-256"), "{second}");
        }
        // The ACK to the 200 repeats them; later requests count on.
        bench.receive(&answer(&second, "200 OK", "theirs", "Contact: <sip:callee@10.0.0.2>\r\n"));
        let Some((_, Event::Answered { dialog, .. })) = bench.events.last().cloned() else { panic!("no answer") };
        bench.acknowledge(&dialog);
        let line = |text: &str| text.lines().find(|l| carries(l)).map(str::to_owned).unwrap();
        assert_eq!(line(&bench.last()), line(&second));
        bench.request(&dialog, "BYE").unwrap();
        assert!(bench.last().contains("nc=00000002"), "{}", bench.last());
        assert_eq!(verdict(&bench.last(), &mut challenger), Verdict::Accepted);
    }
}

#[test]
fn a_nonce_is_answered_once_and_a_stale_one_again() {
    let mut bench = Bench::new();
    bench.invite(with_credentials());
    let first = bench.last();
    bench.receive(&answer(&first, "401 Unauthorized", "x", &challenge(", qop=\"auth,auth-int\"")));
    let second = bench.last();
    assert!(second.contains("qop=auth, nc=00000001"), "{second}");
    let stale = challenge(", stale=TRUE").replace("n1", "n2");
    bench.receive(&answer(&second, "401 Unauthorized", "x", &stale));
    let third = bench.last();
    assert!(third.contains("nonce=\"n2\"") && third.contains("CSeq: 3 INVITE") && !third.contains("nc="), "{third}");
    bench.receive(&answer(&third, "401 Unauthorized", "x", &challenge("").replace("n1", "n3")));
    assert!(matches!(bench.events.last(), Some((_, Event::Refused { .. }))), "a guess that failed is not repeated");
    assert_eq!(bench.times_of("INVITE").len(), 3);
    assert_eq!(bench.events.len(), 1);
}

#[test]
fn stale_for_ever_ends() {
    let mut bench = Bench::new();
    bench.invite(with_credentials());
    for round in 0..20 {
        let text = bench.texts().into_iter().rfind(|t| t.starts_with("INVITE")).unwrap();
        let stale = challenge(", stale=true").replace("n1", &format!("n{round}"));
        bench.receive(&answer(&text, "401 Unauthorized", "x", &stale));
    }
    assert!(bench.times_of("INVITE").len() <= 6);
    assert!(matches!(bench.events.last(), Some((_, Event::Refused { .. }))));
}

#[test]
fn a_proxy_and_the_far_end_may_both_ask() {
    let mut bench = Bench::new();
    bench.invite(with_credentials());
    let first = bench.last();
    let proxy = "Proxy-Authenticate: AKA realm=x, Digest realm=\"a \\\"q\\\", b\", nonce=p, algorithm=AKAv1-MD5, \
                 Digest realm=\"a \\\"q\\\", b\", nonce=p2, opaque=\"o\\\\\", algorithm=md5\r\n";
    bench.receive(&answer(&first, "407 Proxy Authentication Required", "x", proxy));
    let second = bench.last();
    assert!(second.contains("Proxy-Authorization: Digest username=\"us\\\"er\", realm=\"a \\\"q\\\", b\""), "{second}");
    assert!(second.contains("opaque=\"o\\\\\"") && second.contains("nonce=\"p2\""), "{second}");
    bench.receive(&answer(&second, "401 Unauthorized", "x", &challenge(", qop=\"auth-int\"")));
    let third = bench.last();
    assert!(third.contains("\r\nProxy-Authorization: ") && third.contains("\r\nAuthorization: "), "{third}");
    assert!(third.contains("qop=auth-int"), "{third}");
}

#[test]
fn the_next_nonce_is_used_next() {
    let mut bench = Bench::new();
    let call = with_credentials();
    bench.doing(|stack, now, out| stack.send_outside("REGISTER", call, now, out));
    let first = bench.last();
    bench.receive(&answer(&first, "401 Unauthorized", "x", &challenge(", qop=auth")));
    assert!(carries(&bench.last()));
    let second = bench.last();
    bench.receive(&answer(&second, "200 OK", "x", "Authentication-Info: nextnonce=\"n9\"\r\n"));
    assert!(matches!(bench.events.last(), Some((_, Event::Response { .. }))));
    let mut bench = Bench::new();
    bench.invite(with_credentials());
    let first = bench.last();
    bench.receive(&answer(&first, "401 Unauthorized", "x", &challenge(", qop=auth")));
    let second = bench.last();
    let more = "Authentication-Info: qop=auth, nextnonce=\"n9\"\r\nContact: <sip:callee@10.0.0.2>\r\n";
    bench.receive(&answer(&second, "200 OK", "theirs", more));
    let Some((_, Event::Answered { dialog, .. })) = bench.events.last().cloned() else { panic!("no answer") };
    bench.acknowledge(&dialog);
    bench.request(&dialog, "BYE").unwrap();
    assert!(bench.last().contains("nonce=\"n9\"") && bench.last().contains("nc=00000001"), "{}", bench.last());
}

/// Everything in which a stranger may ask, and nobody is told anything.
#[test]
fn strangers_learn_nothing() {
    // A challenge from another address than the peer's.
    let mut bench = Bench::new();
    bench.from = flow_to("10.0.0.66:5060");
    bench.invite(with_credentials());
    let first = bench.last();
    bench.receive(&answer(&first, "401 Unauthorized", "x", &challenge("")));
    assert!(matches!(bench.events.last(), Some((_, Event::Refused { .. }))));
    assert!(!bench.texts().iter().any(|t| carries(t)));
    // The INVITE went to a target that is no peer.
    let mut bench = Bench::new();
    let client = bench.invite(with_credentials());
    bench.retarget(&client, flow_to("10.0.0.66:5060"));
    let second = bench.last();
    bench.receive(&answer(&second, "407 Proxy Authentication Required", "x", &challenge("").replace("WWW", "Proxy")));
    assert!(!bench.texts().iter().any(|t| carries(t)));
    // The peer was told; the dialog then leads to somebody else, by Contact or by Record-Route.
    for more in ["Contact: <sip:x@10.0.0.66>\r\n", "Record-Route: <sip:10.0.0.66;lr>\r\nContact: <sip:x@10.0.0.2>\r\n"]
    {
        let mut bench = Bench::new();
        bench.invite(with_credentials());
        let first = bench.last();
        bench.receive(&answer(&first, "401 Unauthorized", "x", &challenge(", qop=auth")));
        let second = bench.last();
        bench.receive(&answer(&second, "200 OK", "theirs", more));
        let Some((_, Event::Answered { dialog, .. })) = bench.events.last().cloned() else { panic!("no answer") };
        bench.acknowledge(&dialog);
        challenged_inside(&mut bench, &dialog, Some(&second));
    }
    // A call that came in has no credentials at all; one without credentials neither.
    let mut bench = Bench::new();
    let dialog = bench.established();
    challenged_inside(&mut bench, &dialog, None);
}

/// Sends each method in the dialog and has it challenged.
fn challenged_inside(bench: &mut Bench, dialog: &DialogId, told: Option<&str>) {
    for method in ["INFO", "UPDATE", "REFER", "NOTIFY", "OPTIONS", "BYE"] {
        bench.request(dialog, method).unwrap();
        let text = bench.last();
        for status in ["401 Unauthorized", "407 Proxy Authentication Required"] {
            let name = if status.starts_with("401") { "WWW" } else { "Proxy" };
            let asked = challenge("").replace("n1", method).replace("WWW", name);
            bench.receive(&answer(&text, status, "", &asked));
        }
    }
    let client = bench.reinvite(dialog).unwrap();
    let text = bench.last();
    bench.receive(&answer(&text, "401 Unauthorized", "", &challenge("").replace("n1", "other")));
    assert!(matches!(bench.events.last(), Some((_, Event::Refused { client: c, .. })) if *c == client));
    let told = bench.texts().iter().filter(|t| carries(t)).filter(|t| told != Some(t.as_str())).count();
    assert_eq!(told, 0);
}

#[test]
fn cancel_is_never_given_credentials() {
    let mut bench = Bench::new();
    let client = bench.invite(with_credentials());
    let first = bench.last();
    bench.receive(&answer(&first, "401 Unauthorized", "x", &challenge("")));
    let second = bench.last();
    bench.receive(&answer(&second, "180 Ringing", "x", ""));
    bench.cancel(&client);
    let cancel = bench.last();
    assert!(cancel.starts_with("CANCEL") && !carries(&cancel));
    bench.receive(&answer(&cancel, "401 Unauthorized", "x", &challenge("").replace("n1", "n2")));
    assert_eq!(bench.times_of("CANCEL").len(), 1);
    bench.receive(&answer(&second, "401 Unauthorized", "x", &challenge("").replace("n1", "n3")));
    assert!(matches!(bench.events.last(), Some((_, Event::Refused { .. }))), "a cancelled INVITE is not begun again");
}

#[test]
fn a_challenged_bye_is_sent_again_by_its_dialog() {
    let mut bench = Bench::new();
    let dialog = bench.established_by(with_credentials());
    bench.request(&dialog, "BYE").unwrap();
    let bye = bench.last();
    bench.stack.forget(&dialog);
    bench.receive(&answer(&bye, "407 Proxy Authentication Required", "", &challenge("").replace("WWW", "Proxy")));
    let again = bench.last();
    assert!(again.starts_with("BYE ") && carries(&again) && again.contains("\r\nCSeq: 3 BYE\r\n"), "{again}");
    bench.receive(&answer(&again, "200 OK", "", ""));
    assert!(matches!(bench.events.last(), Some((_, Event::Response { .. }))));
    bench.receive(&request_to_us("INFO", 1, "late", "ours", "theirs", ""));
    assert!(bench.last().starts_with("SIP/2.0 481"));
}
