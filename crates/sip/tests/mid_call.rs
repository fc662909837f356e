//! Reliable provisional answers, UPDATE and what meets it, REFER and Replaces, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod far_end;

use far_end::{Bench, answer, outgoing, request_to_us};
use trunkline_sip::{Event, Replaces};

const CONTACT: &str = "Contact: <sip:callee@10.0.0.2>\r\n";

fn reliable(rseq: u32) -> String {
    format!("Require: 100rel\r\nRSeq: {rseq}\r\nRecord-Route: <sip:10.0.0.8;lr>\r\n{CONTACT}")
}

#[test]
fn each_reliable_answer_is_acknowledged_once_and_in_order() {
    let mut bench = Bench::new();
    bench.invite(outgoing());
    let invite = bench.last();
    assert!(invite.contains("\r\nSupported: timer, replaces, norefersub, 100rel\r\n"), "{invite}");
    let ringing = |rseq| answer(&invite, "183 Session Progress", "theirs", &reliable(rseq));
    bench.receive(&ringing(500));
    let prack = bench.last();
    assert!(prack.starts_with("PRACK sip:callee@10.0.0.2 SIP/2.0\r\n"), "{prack}");
    assert!(prack.contains("\r\nRAck: 500 1 INVITE\r\n") && prack.contains("\r\nCSeq: 2 PRACK\r\n"), "{prack}");
    assert!(prack.contains("\r\nRoute: <sip:10.0.0.8;lr>\r\n"), "{prack}");
    bench.receive(&answer(&prack, "200 OK", "", ""));
    bench.receive(&ringing(500));
    bench.receive(&ringing(502));
    assert_eq!(bench.times_of("PRACK").len(), 1);
    let heard = |bench: &Bench| bench.events.iter().filter(|(_, e)| matches!(e, Event::Progress { .. })).count();
    assert_eq!(heard(&bench), 1);
    bench.receive(&ringing(501));
    assert!(bench.last().contains("\r\nRAck: 501 1 INVITE\r\n") && bench.last().contains("CSeq: 3 PRACK"));
    assert_eq!(heard(&bench), 2);
    bench.receive(&answer(&invite, "200 OK", "theirs", CONTACT));
    let Some((_, Event::Answered { dialog, .. })) = bench.events.last().cloned() else { panic!("no answer") };
    bench.acknowledge(&dialog);
    assert!(bench.last().contains("\r\nCSeq: 1 ACK\r\n") && !bench.last().contains("Route:"), "{}", bench.last());
    bench.request(&dialog, "BYE").unwrap();
    assert!(bench.last().contains("\r\nCSeq: 4 BYE\r\n"), "numbers go on: {}", bench.last());
}

#[test]
fn an_invite_without_an_offer_does_not_ask_for_reliable_answers() {
    let mut bench = Bench::new();
    let mut call = outgoing();
    call.body = None;
    bench.invite(call);
    assert!(!bench.last().contains("100rel"));
}

fn incoming(extra: &str) -> String {
    request_to_us("INVITE", 1, "in", "", "theirs", extra).replace(";tag=\r\n", "\r\n")
}

fn prack(branch: &str, cseq: u32, rack: &str) -> String {
    request_to_us("PRACK", cseq, branch, "ours", "theirs", &format!("RAck: {rack}\r\n"))
}

fn ring(bench: &mut Bench, extra: &str, headers: &[(String, String)]) -> trunkline_sip::InviteId {
    bench.receive(&incoming(extra));
    let Some((_, Event::Invite { invite, .. })) = bench.events.last().cloned() else { panic!("no INVITE") };
    bench.doing(|stack, now, out| stack.provisional(&invite, "ours", 180, "Ringing", headers, now, out));
    invite
}

fn rseq_of(text: &str) -> u32 {
    let line = text.lines().find(|l| l.starts_with("RSeq: ")).unwrap_or_else(|| panic!("{text}"));
    line[6..].parse().unwrap()
}

#[test]
fn a_reliable_180_is_repeated_until_its_prack() {
    let asked = [("Require".to_owned(), "100rel".to_owned())];
    for (extra, headers) in [("Require: 100rel\r\n", &[][..]), ("Supported: timer, 100rel\r\n", &asked[..])] {
        let mut bench = Bench::new();
        let invite = ring(&mut bench, extra, headers);
        let rseq = rseq_of(&bench.last());
        assert_eq!(bench.last().matches("100rel").count(), 1);
        bench.doing(|stack, now, out| stack.provisional(&invite, "ours", 183, "Progress", &asked, now, out));
        bench.run_until(4_000);
        assert_eq!(bench.times_of("SIP/2.0 180"), [0, 500, 1500, 3500]);
        assert!(bench.times_of("SIP/2.0 183").is_empty(), "one at a time");
        for wrong in
            [format!("{} 1 INVITE", rseq + 1), format!("{rseq} 2 INVITE"), format!("{rseq} 1 UPDATE"), "x".into()]
        {
            bench.receive(&prack(&format!("w{}", wrong.replace(' ', "")), 2, &wrong));
            assert!(bench.last().starts_with("SIP/2.0 481"), "{wrong}: {}", bench.last());
        }
        bench.receive(&prack("p1", 3, &format!("{rseq} 1 INVITE")));
        assert_eq!(bench.times_of("SIP/2.0 200"), [4_000]);
        assert_eq!(rseq_of(&bench.last()), rseq + 1, "the next one: {}", bench.last());
        bench.receive(&prack("p2", 4, &format!("{} 1 INVITE", rseq + 1)));
        bench.doing(|stack, now, out| stack.answer(&invite, "ours", &[], None, now, out)).unwrap();
        bench.receive(&request_to_us("ACK", 1, "ack", "ours", "theirs", ""));
        // Numbers of the early dialog count.
        bench.receive(&request_to_us("BYE", 4, "old", "ours", "theirs", ""));
        assert!(bench.last().starts_with("SIP/2.0 500"), "{}", bench.last());
        bench.run_until(100_000);
        let dialogs = bench.stack.counts().dialogs;
        assert_eq!((dialogs, bench.stack.counts().transactions, bench.stack.counts().timers), (1, 0, 0));
    }
}

#[test]
fn a_reliable_answer_that_is_never_acknowledged_ends_the_invite() {
    let mut bench = Bench::new();
    ring(&mut bench, "Require: 100rel\r\n", &[]);
    bench.run_until(33_000);
    assert_eq!(bench.times_of("SIP/2.0 180"), [0, 500, 1500, 3500, 7500, 15500, 31500]);
    assert!(bench.times_of("SIP/2.0 504").contains(&32_000));
    assert!(matches!(bench.events.last(), Some((32_000, Event::Cancelled { .. }))));
    bench.run_until(100_000);
    assert_eq!(bench.stack.counts(), Default::default());
}

#[test]
fn whoever_does_not_know_reliable_answers_gets_none() {
    let mut bench = Bench::new();
    ring(&mut bench, "", &[("Require".to_owned(), "100rel".to_owned())]);
    assert!(!bench.last().contains("RSeq") && !bench.last().contains("Require"), "{}", bench.last());
}

fn offer(text: &str) -> String {
    text.replace("Content-Length: 0\r\n\r\n", "Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n")
}

#[test]
fn an_update_that_meets_an_offer_waits() {
    let mut bench = Bench::new();
    let dialog = bench.established();
    let update = |cseq: u32| request_to_us("UPDATE", cseq, &format!("u{cseq}"), "ours", "theirs", "");
    bench.reinvite(&dialog).unwrap();
    let reinvite = bench.last();
    bench.receive(&offer(&update(1)));
    assert!(bench.last().starts_with("SIP/2.0 491"), "{}", bench.last());
    bench.receive(&update(2));
    let Some((_, Event::Request { request, .. })) = bench.events.last().cloned() else { panic!("no UPDATE") };
    bench.receive(&update(3));
    assert!(bench.last().starts_with("SIP/2.0 500") && bench.last().contains("\r\nRetry-After: "), "{}", bench.last());
    bench.doing(|stack, now, out| stack.respond(&request, 200, "OK", &[], None, now, out));
    assert!(bench.last().starts_with("SIP/2.0 200") && bench.last().contains("\r\nContact: "), "{}", bench.last());
    bench.receive(&answer(&reinvite, "200 OK", "", CONTACT));
    bench.acknowledge(&dialog);
    bench.receive(&offer(&update(5)).replace("callee@10.0.0.2:5060", "moved@10.0.0.2:5099"));
    assert!(matches!(bench.events.last(), Some((_, Event::Request { .. }))));
    bench.request(&dialog, "BYE").unwrap();
    assert!(bench.last().starts_with("BYE sip:moved@10.0.0.2:5099 "), "the target has moved: {}", bench.last());
}

#[test]
fn an_update_before_the_answer_waits_with_its_offer_and_moves_the_target_without_one() {
    let mut bench = Bench::new();
    let invite = ring(&mut bench, "", &[]);
    let update = |cseq: u32, tag: &str| request_to_us("UPDATE", cseq, &format!("e{cseq}{tag}"), "ours", tag, "");
    bench.receive(&offer(&update(2, "theirs")));
    assert!(bench.last().starts_with("SIP/2.0 500") && bench.last().contains("\r\nRetry-After: "), "{}", bench.last());
    bench.receive(&update(3, "theirs").replace("callee@10.0.0.2:5060", "moved@10.0.0.2:5099"));
    assert!(bench.last().starts_with("SIP/2.0 200") && bench.last().contains("\r\nContact: "), "{}", bench.last());
    bench.receive(&update(3, "theirs").replace("branch=z9hG4bKe3", "branch=z9hG4bKold"));
    assert!(bench.last().starts_with("SIP/2.0 500"), "an old number: {}", bench.last());
    bench.receive(&update(4, "others"));
    assert!(bench.last().starts_with("SIP/2.0 481"), "no such dialog: {}", bench.last());
    assert!(!bench.events.iter().any(|(_, event)| matches!(event, Event::Request { .. })));
    bench.doing(|stack, now, out| stack.answer(&invite, "ours", &[], None, now, out)).unwrap();
    bench.receive(&request_to_us("ACK", 1, "ack", "ours", "theirs", ""));
    let Some((_, Event::Acked { dialog, .. })) = bench.events.last().cloned() else { panic!("no ACK") };
    bench.request(&dialog, "BYE").unwrap();
    assert!(bench.last().starts_with("BYE sip:moved@10.0.0.2:5099 "), "the target has moved: {}", bench.last());
}

#[test]
fn the_200_to_our_update_moves_the_target_and_its_offer_makes_glare() {
    let mut bench = Bench::new();
    let dialog = bench.established();
    let body = Some(("application/sdp", bytes::Bytes::from_static(b"v=0\r\n")));
    bench.doing(|stack, now, out| stack.request(&dialog, "UPDATE", &[], body, now, out)).unwrap();
    let update = bench.last();
    assert!(update.contains("\r\nContact: ") && update.contains("\r\nAllow: "), "{update}");
    bench.receive(&request_to_us("INVITE", 1, "glare", "ours", "theirs", ""));
    assert!(bench.last().starts_with("SIP/2.0 491"), "{}", bench.last());
    bench.receive(&answer(&update, "200 OK", "", "Contact: <sip:moved@10.0.0.2>\r\n"));
    bench.request(&dialog, "INFO").unwrap();
    assert!(bench.last().starts_with("INFO sip:moved@10.0.0.2 "), "{}", bench.last());
}

#[test]
fn a_second_reinvite_before_the_answer_to_the_first_is_told_to_wait() {
    let mut bench = Bench::new();
    bench.established();
    bench.receive(&request_to_us("INVITE", 1, "r1", "ours", "theirs", ""));
    assert!(matches!(bench.events.last(), Some((_, Event::Reinvite { .. }))));
    bench.receive(&request_to_us("INVITE", 2, "r2", "ours", "theirs", ""));
    assert!(bench.last().starts_with("SIP/2.0 500") && bench.last().contains("\r\nRetry-After: "), "{}", bench.last());
}

#[test]
fn transfers_reach_the_owner_inside_and_outside_a_dialog() {
    let mut bench = Bench::new();
    let dialog = bench.established();
    let refer = "Refer-To: <sip:x@y>\r\n";
    bench.receive(&request_to_us("REFER", 1, "r", "ours", "theirs", refer));
    assert!(matches!(bench.events.last(), Some((_, Event::Request { dialog: Some(d), .. })) if *d == dialog));
    bench.receive(&request_to_us("NOTIFY", 2, "n", "ours", "theirs", "Event: refer\r\n"));
    assert!(matches!(bench.events.last(), Some((_, Event::Request { dialog: Some(d), .. })) if *d == dialog));
    bench.receive(&request_to_us("REFER", 1, "o", "", "else", refer).replace(";tag=\r\n", "\r\n"));
    assert!(matches!(bench.events.last(), Some((_, Event::Request { dialog: None, .. }))));
}

#[test]
fn replaces_finds_a_confirmed_dialog_and_an_early_one_of_ours() {
    let mut bench = Bench::new();
    bench.invite(outgoing());
    let invite = bench.last();
    bench.receive(&answer(&invite, "180 Ringing", "theirs", CONTACT));
    let known = Replaces::parse("call@10.0.0.1;to-tag=ours;from-tag=theirs").unwrap();
    let dialog = bench.stack.replaced(&known).unwrap();
    assert!(bench.stack.is_early(&dialog));
    bench.receive(&answer(&invite, "200 OK", "theirs", CONTACT));
    bench.acknowledge(&dialog);
    assert_eq!(bench.stack.replaced(&known), Some(dialog.clone()));
    assert!(!bench.stack.is_early(&dialog));
    for other in ["call@10.0.0.1;to-tag=theirs;from-tag=ours", "call;to-tag=ours;from-tag=theirs"] {
        assert_eq!(bench.stack.replaced(&Replaces::parse(other).unwrap()), None, "{other}");
    }
    let told = Replaces::at_far_end(&dialog);
    assert_eq!(told.to_string(), "call@10.0.0.1;to-tag=theirs;from-tag=ours");
}
