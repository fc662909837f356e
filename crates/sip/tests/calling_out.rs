//! INVITEs of ours as a far end sees them, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod far_end;

use far_end::{Bench, answer, flow_to, outgoing, request_to_us};
use trunkline_sip::{
    Event,
    flow::{Flow, Protocol},
};

const RINGING: &str = "180 Ringing";

#[test]
fn a_silent_far_end_gets_timer_a_and_a_failure_at_32_s() {
    let mut bench = Bench::new();
    bench.invite(outgoing());
    bench.run_until(40_000);
    assert_eq!(bench.times_of("INVITE"), [0, 500, 1500, 3500, 7500, 15500, 31500]);
    assert!(matches!(bench.events.last(), Some((32_000, Event::Failed { .. }))), "{:?}", bench.events);
    assert_eq!(bench.stack.counts(), Default::default());
}

#[test]
fn the_request_is_what_its_owner_gave() {
    let mut bench = Bench::new();
    let mut call = outgoing();
    call.request_uri = "sip:+1555%20x;ext=1@10.0.0.2:5060;user=phone".into();
    call.routes = vec!["<sip:10.0.0.9;lr>".into(), "<sip:10.0.0.8;lr>".into()];
    call.headers = vec![("X-A".into(), "1".into()), ("x-a".into(), "2".into()), ("User-Agent".into(), "mine".into())];
    bench.invite(call);
    let invite = bench.last();
    assert!(invite.starts_with("INVITE sip:+1555%20x;ext=1@10.0.0.2:5060;user=phone SIP/2.0\r\nVia: SIP/2.0/UDP "));
    assert!(invite.contains("\r\nRoute: <sip:10.0.0.9;lr>\r\nRoute: <sip:10.0.0.8;lr>\r\n"), "{invite}");
    assert!(invite.contains("\r\nX-A: 1\r\nx-a: 2\r\nUser-Agent: mine\r\n"), "{invite}");
    assert_eq!(invite.matches("User-Agent").count(), 1);
    assert!(invite.contains("\r\nContact: <sip:10.0.0.1:5060>\r\n"), "{invite}");
    assert!(invite.contains("\r\nFrom: <sip:us@10.0.0.1>;tag=ours\r\nTo: <sip:+1555@10.0.0.2>\r\n"), "{invite}");
}

#[test]
fn the_answer_makes_the_dialog_and_each_repeated_200_gets_the_ack_again() {
    let mut bench = Bench::new();
    bench.invite(outgoing());
    let invite = bench.last();
    bench.receive(&answer(&invite, RINGING, "theirs", "Contact: <sip:early@10.0.0.2>\r\n"));
    assert!(matches!(bench.events.last(), Some((_, Event::Progress { dialog: Some(_), .. }))));
    bench.run_until(10_000);
    assert_eq!(bench.times_of("INVITE").len(), 1, "a provisional answer ends timer A");
    let routes = "Record-Route: <sip:10.0.0.8;lr>, <sip:10.0.0.9;lr>\r\nContact: <sip:final@10.0.0.2:5070>\r\n";
    let ok = answer(&invite, "200 OK", "theirs", routes);
    bench.receive(&ok);
    let Some((_, Event::Answered { dialog, .. })) = bench.events.last().cloned() else { panic!("no answer") };
    bench.acknowledge(&dialog);
    let ack = bench.last();
    assert!(ack.starts_with("ACK sip:final@10.0.0.2:5070 SIP/2.0\r\n"), "{ack}");
    assert!(ack.contains("Route: <sip:10.0.0.9;lr>\r\nRoute: <sip:10.0.0.8;lr>\r\n"), "{ack}");
    assert!(ack.contains("\r\nCSeq: 1 ACK\r\n") && ack.contains(";tag=theirs\r\n"), "{ack}");
    bench.receive(&ok);
    bench.receive(&ok);
    assert_eq!(bench.times_of("ACK").len(), 3);
    assert_eq!(bench.last(), ack);
    assert_eq!(bench.events.iter().filter(|(_, e)| matches!(e, Event::Answered { .. })).count(), 1);
    bench.receive(&request_to_us("BYE", 0, "b", "ours", "theirs", ""));
    assert!(matches!(bench.events.last(), Some((_, Event::Request { dialog: Some(d), .. })) if *d == dialog));
    bench.run_until(80_000);
    bench.stack.forget(&dialog);
    bench.run_until(120_000);
    assert_eq!(bench.stack.counts(), Default::default());
}

#[test]
fn a_refusal_is_acknowledged_with_its_own_branch_each_time() {
    let mut bench = Bench::new();
    bench.invite(outgoing());
    let invite = bench.last();
    bench.receive(&answer(&invite, RINGING, "a", ""));
    let busy = answer(&invite, "486 Busy - line 3", "b", "");
    bench.receive(&busy);
    bench.receive(&busy);
    assert_eq!(bench.times_of("ACK").len(), 2);
    let branch = |text: &str| text.split("branch=").nth(1).unwrap().split(';').next().unwrap().to_owned();
    assert_eq!(branch(&bench.last()), branch(&invite));
    assert!(bench.last().contains(";tag=b\r\n"));
    let refused: Vec<_> = bench.events.iter().filter(|(_, e)| matches!(e, Event::Refused { .. })).collect();
    let [(_, Event::Refused { message, .. })] = refused[..] else { panic!("{refused:?}") };
    assert_eq!(message.reason(), "Busy - line 3");
    bench.run_until(40_000);
    assert_eq!(bench.stack.counts(), Default::default());
}

#[test]
fn a_second_fork_gets_ack_and_bye_in_its_own_dialog() {
    let mut bench = Bench::new();
    bench.invite(outgoing());
    let invite = bench.last();
    for tag in ["one", "two", "three"] {
        bench.receive(&answer(&invite, RINGING, tag, "Contact: <sip:early@10.0.0.2>\r\n"));
    }
    assert_eq!(bench.stack.counts().dialogs, 3);
    bench.receive(&answer(&invite, "200 OK", "two", "Contact: <sip:two@10.0.0.2>\r\n"));
    assert_eq!(bench.stack.counts().dialogs, 1);
    let Some((_, Event::Answered { dialog, .. })) = bench.events.last().cloned() else { panic!("no answer") };
    assert_eq!(dialog.remote_tag, "two");
    bench.acknowledge(&dialog);
    let events = bench.events.len();
    let second = answer(&invite, "200 OK", "one", "Contact: <sip:one@10.0.0.2>\r\n");
    bench.receive(&second);
    bench.receive(&second);
    let sent = bench.texts();
    let [ack, bye, again] = &sent[sent.len() - 3..] else { panic!("{sent:?}") };
    assert!(ack.starts_with("ACK sip:one@10.0.0.2 ") && ack.contains(";tag=one\r\n"), "{ack}");
    assert!(bye.starts_with("BYE sip:one@10.0.0.2 ") && bye.contains(";tag=one\r\n"), "{bye}");
    assert!(bye.contains("\r\nCSeq: 2 BYE\r\n"), "{bye}");
    assert_eq!(again, ack);
    bench.receive(&answer(bye, "200 OK", "", ""));
    assert_eq!(bench.events.len(), events, "the owner is not asked");
}

#[test]
fn cancel_waits_for_a_provisional_answer() {
    let mut bench = Bench::new();
    let client = bench.invite(outgoing());
    let invite = bench.last();
    bench.cancel(&client);
    assert!(bench.times_of("CANCEL").is_empty());
    bench.receive(&answer(&invite, "100 Trying", "", ""));
    let cancel = bench.last();
    assert!(cancel.starts_with("CANCEL "), "{cancel}");
    let via = |text: &str| text.lines().find(|l| l.starts_with("Via:")).unwrap().to_owned();
    assert_eq!(via(&cancel), via(&invite));
    assert!(cancel.contains("\r\nCSeq: 1 CANCEL\r\n") && cancel.contains("\r\nReason: SIP;cause=487\r\n"), "{cancel}");
    bench.receive(&answer(&cancel, "200 OK", "x", ""));
    bench.receive(&answer(&invite, "487 Request Terminated", "x", ""));
    assert!(bench.last().starts_with("ACK "));
    assert!(matches!(bench.events.last(), Some((_, Event::Refused { .. }))));
    bench.run_until(40_000);
    assert_eq!(bench.stack.counts(), Default::default());
}

#[test]
fn who_was_cancelled_unheard_is_listened_to_a_while_longer() {
    for (late, what) in [(RINGING, "CANCEL sip:"), ("200 OK", "BYE sip:x@")] {
        let mut bench = Bench::new();
        let client = bench.invite(outgoing());
        let invite = bench.last();
        bench.run_until(20_000);
        bench.cancel(&client);
        bench.run_until(90_000);
        assert!(matches!(bench.events.as_slice(), [(32_000, Event::Failed { .. })]), "{:?}", bench.events);
        assert_eq!(bench.times_of("INVITE").len(), 7, "it is not repeated behind timer B");
        bench.receive(&answer(&invite, late, "x", "Contact: <sip:x@10.0.0.2>\r\n"));
        assert!(bench.last().starts_with(what), "{}", bench.last());
        assert_eq!(bench.events.len(), 1, "the owner has been told");
        bench.run_until(300_000);
        assert_eq!(bench.stack.counts(), Default::default());
    }
    let mut bench = Bench::new();
    let client = bench.invite(outgoing());
    bench.cancel(&client);
    bench.run_until(97_000);
    assert_eq!(bench.stack.counts(), Default::default());
}

#[test]
fn a_cancel_that_nobody_answers_fails_after_64_t1() {
    let mut bench = Bench::new();
    let client = bench.invite(outgoing());
    let invite = bench.last();
    bench.receive(&answer(&invite, RINGING, "x", ""));
    bench.run_until(60_000);
    bench.cancel(&client);
    bench.run_until(100_000);
    assert_eq!(bench.times_of("CANCEL").len(), 11);
    assert!(matches!(bench.events.last(), Some((92_000, Event::Failed { .. }))), "{:?}", bench.events);
    assert_eq!(bench.stack.counts(), Default::default());
}

#[test]
fn a_200_that_crosses_the_cancel_is_acknowledged_and_ended() {
    let mut bench = Bench::new();
    let client = bench.invite(outgoing());
    let invite = bench.last();
    bench.receive(&answer(&invite, RINGING, "x", ""));
    bench.cancel(&client);
    bench.receive(&answer(&invite, "200 OK", "x", "Contact: <sip:x@10.0.0.2>\r\n"));
    let sent = bench.texts();
    assert!(sent[sent.len() - 2].starts_with("ACK sip:x@") && bench.last().starts_with("BYE sip:x@"), "{sent:?}");
    assert!(matches!(bench.events.last(), Some((_, Event::Failed { .. }))));
    assert_eq!(bench.stack.counts().dialogs, 0);
    let bye = bench.last();
    bench.receive(&answer(&bye, "200 OK", "", ""));
    bench.run_until(80_000);
    assert_eq!(bench.stack.counts(), Default::default());
}

#[test]
fn the_next_target_takes_over_and_a_late_200_of_the_first_is_ended() {
    let mut bench = Bench::new();
    let client = bench.invite(outgoing());
    let first = bench.last();
    bench.run_until(2_000);
    assert!(!bench.stack.is_proceeding(&client));
    bench.retarget(&client, flow_to("10.0.0.3:5060"));
    let second = bench.last();
    assert_eq!(bench.remotes.last().unwrap().to_string(), "10.0.0.3:5060");
    assert_ne!(first.lines().nth(1), second.lines().nth(1), "a new branch");
    bench.receive(&answer(&second, "100 Trying", "", ""));
    assert!(bench.stack.is_proceeding(&client));
    bench.receive(&answer(&second, "200 OK", "second", "Contact: <sip:two@10.0.0.3>\r\n"));
    let Some((_, Event::Answered { dialog, .. })) = bench.events.last().cloned() else { panic!("no answer") };
    bench.acknowledge(&dialog);
    bench.receive(&answer(&first, RINGING, "first", ""));
    assert!(bench.last().starts_with("CANCEL "), "{}", bench.last());
    bench.receive(&answer(&first, "200 OK", "first", "Contact: <sip:one@10.0.0.2>\r\n"));
    let sent = bench.texts();
    assert!(sent[sent.len() - 2].starts_with("ACK sip:one@") && bench.last().starts_with("BYE sip:one@"), "{sent:?}");
    assert_eq!(bench.times_of("INVITE"), [0, 500, 1500, 2000], "the first is not repeated any more");
    assert_eq!(bench.stack.counts().dialogs, 1);
}

#[test]
fn a_lost_connection_fails_an_invite_that_nobody_heard_of() {
    let mut bench = Bench::new();
    let mut call = outgoing();
    call.flow.protocol = Protocol::Tcp;
    let flow = call.flow;
    bench.invite(call);
    bench.closed(&flow);
    assert!(matches!(bench.events.last(), Some((0, Event::Failed { .. }))));
    bench.run_until(40_000);
    assert_eq!(bench.times_of("INVITE").len(), 1, "streams do not repeat");
    assert_eq!(bench.stack.counts(), Default::default());
}

#[test]
fn one_invite_at_a_time_in_a_dialog_and_glare_is_491() {
    let mut bench = Bench::new();
    let dialog = bench.established();
    let reinvite = bench.reinvite(&dialog).expect("nothing is pending");
    let text = bench.last();
    assert!(text.starts_with("INVITE sip:callee@10.0.0.2") && text.contains("\r\nCSeq: 2 INVITE\r\n"), "{text}");
    assert!(bench.reinvite(&dialog).is_none());
    bench.receive(&request_to_us("INVITE", 1, "theirs", "ours", "theirs", ""));
    assert!(bench.last().starts_with("SIP/2.0 491"), "{}", bench.last());
    bench.receive(&request_to_us("ACK", 1, "theirs", "ours", "theirs", ""));
    bench.receive(&answer(&text, "491 Request Pending", "", ""));
    assert!(matches!(bench.events.last(), Some((_, Event::Refused { client, .. })) if *client == reinvite));
    for _ in 0..200 {
        let wait = bench.stack.glare_wait(&dialog).as_millis();
        assert!((2_100..=4_000).contains(&wait) && wait.is_multiple_of(10), "{wait}");
    }
    assert!(bench.reinvite(&dialog).is_some());
    let text = bench.last();
    bench.receive(&answer(&text, "200 OK", "", "Contact: <sip:moved@10.0.0.2>\r\n"));
    assert!(matches!(bench.events.last(), Some((_, Event::Answered { .. }))));
    assert!(bench.reinvite(&dialog).is_none(), "not before the ACK");
    bench.acknowledge(&dialog);
    assert!(bench.last().starts_with("ACK sip:moved@10.0.0.2 "), "{}", bench.last());
    bench.run_until(bench.millis() + 64_000);
    bench.stack.forget(&dialog);
    assert_eq!(bench.stack.counts(), Default::default());
}

#[test]
fn what_leaves_by_a_connection_of_ours_names_the_listener() {
    let mut bench = Bench::new();
    let (tcp, tls) = ("10.0.0.1:5080", "10.0.0.1:5081");
    let listener = |protocol, text: &str| (protocol, text.parse().unwrap());
    bench.stack.listens_on(vec![listener(Protocol::Tcp, tcp), listener(Protocol::Tls, tls)]);
    let mut call = outgoing();
    (call.flow.protocol, call.flow.local) = (Protocol::Tls, "10.0.0.1:0".parse().unwrap());
    bench.invite(call);
    let invite = bench.last();
    assert!(invite.contains("\r\nVia: SIP/2.0/TLS 10.0.0.1:5081;"), "{invite}");
    assert!(invite.contains("\r\nContact: <sip:10.0.0.1:5081;transport=tls>\r\n"), "{invite}");
    // The answer comes by a connection, and the dialog goes on by it.
    bench.from = Flow { protocol: Protocol::Tls, connection: 7, ..flow_to("10.0.0.2:5060") };
    bench.from.local = "10.0.0.1:41234".parse().unwrap();
    bench.receive(&answer(&invite, "200 OK", "theirs", "Contact: <sip:callee@10.0.0.2;transport=tls>\r\n"));
    let Some((_, Event::Answered { dialog, .. })) = bench.events.last().cloned() else { panic!("no answer") };
    bench.acknowledge(&dialog);
    assert!(bench.last().contains("10.0.0.1:5081;branch"), "{}", bench.last());
    bench.receive(&request_to_us("INVITE", 1, "re", "ours", "theirs", ""));
    let Some((_, Event::Reinvite { invite, .. })) = bench.events.last().cloned() else { panic!("no re-INVITE") };
    bench.doing(|stack, now, out| stack.answer(&invite, "ours", &[], None, now, out)).unwrap();
    assert!(bench.last().contains("\r\nContact: <sip:10.0.0.1:5081;transport=tls>\r\n"), "{}", bench.last());
    bench.request(&dialog, "BYE").unwrap();
    assert!(bench.last().contains("10.0.0.1:5081;branch"), "{}", bench.last());
}
