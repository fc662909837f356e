//! Callers are moved on.

use crate::{
    phone::{Phone, header, world},
    world::{ROOM, World},
};
use std::time::Duration;
use trunkline_call::media::Sound;
use trunkline_exchange::{
    Input,
    command::{ApiError, Code, Command, Reply, TransferOutcome, TransferReply, TransferRequest},
};
use trunkline_room::ParticipantPatch;
use trunkline_routing::record::{Options, TransferStep};
use trunkline_types::EndReason;

const TARGET: &str = "tel:+15559876543;x-ai-agent-outcome=transfer%3ATech%20Support";

fn request(world: &mut World, target: &str) -> TransferRequest {
    TransferRequest {
        room: ROOM.into(),
        identity: world.caller().identity,
        target: target.into(),
        headers: Default::default(),
        play_dialtone: false,
        timeout: Some(Duration::from_secs(20)),
    }
}

/// Asks for a transfer; the number of the request.
fn transfer(world: &mut World, request: TransferRequest) -> u64 {
    let number = world.next_request();
    world.give(Input::Api(number, Box::new(Command::TransferSipParticipant(Box::new(request)))));
    number
}

fn begin(options: Options) -> (World, Phone, u64) {
    let mut world = world(options);
    let phone = Phone::call(&mut world, "c", "");
    let request = request(&mut world, TARGET);
    let number = transfer(&mut world, request);
    (world, phone, number)
}

fn notify(phone: &mut Phone, world: &mut World, event: &str, state: &str, frag: &str) -> String {
    let headers = format!("Event: {event}\r\nSubscription-State: {state}\r\n");
    phone.request(world, "NOTIFY", &headers, Some(("message/sipfrag", frag)))
}

fn accept(phone: &Phone, world: &mut World) {
    let refer = phone.last(world, "REFER");
    phone.answer(world, &refer, "202 Accepted", "", None);
}

fn reply(world: &World, number: u64) -> TransferReply {
    match world.replies.get(&number) {
        Some(Ok(Reply::Transfer(reply))) => (**reply).clone(),
        other => panic!("{other:?}"),
    }
}

fn failed(world: &World, number: u64) -> (TransferOutcome, Option<u16>) {
    let error = error(world, number);
    assert!(!error.message.is_empty());
    let (_, outcome) = *error.transfer.expect("the error of a transfer");
    (outcome, error.sip_status.map(|status| status.code))
}

fn error(world: &World, number: u64) -> ApiError {
    match world.replies.get(&number) {
        Some(Err(error)) => error.clone(),
        other => panic!("{other:?}"),
    }
}

fn reason(world: &World) -> EndReason {
    world.record().ending.expect("an ending").reason
}

#[test]
fn the_target_arrives_byte_for_byte_however_it_is_written() {
    let written = [
        (TARGET, format!("<{TARGET}>")),
        ("<tel:+15559876543;x-ai-agent-outcome=transfer%3ATech%20Support>", format!("<{TARGET}>")),
        ("sip:a%20b@h;p=v?Replaces=x%40y%3Bto-tag%3Da", "<sip:a%20b@h;p=v?Replaces=x%40y%3Bto-tag%3Da>".into()),
        ("SIPS:Bob@Example.COM:5061;transport=TLS", "<SIPS:Bob@Example.COM:5061;transport=TLS>".into()),
    ];
    for (given, sent) in written {
        let mut world = world(Options::default());
        let phone = Phone::call(&mut world, "c", "");
        let request = request(&mut world, given);
        transfer(&mut world, request);
        assert_eq!(header(&phone.last(&world, "REFER"), "Refer-To"), Some(sent));
    }
}

#[test]
fn what_cannot_be_a_target_is_refused_by_name() {
    let mut world = world(Options::default());
    let phone = Phone::call(&mut world, "c", "");
    for target in ["", "x", "tel:", "http://a", "sip:a\r\nVia: b", "sip:a\0", "sip:a>b", "\"x\" <sip:a@b>"] {
        let request = request(&mut world, target);
        let number = transfer(&mut world, request);
        let error = error(&world, number);
        assert_eq!(error.code, Code::InvalidArgument, "{target:?}");
        assert!(error.message.contains("transfer_to"), "{}", error.message);
    }
    let mut bad = request(&mut world, TARGET);
    bad.headers.insert("X-A".into(), "a\r\nVia: b".into());
    let number = transfer(&mut world, bad);
    assert!(error(&world, number).message.contains("X-A"));
    assert!(phone.got(&world, "REFER").is_empty());
    let nobody = TransferRequest { identity: "nobody".into(), ..request(&mut world, TARGET) };
    let number = transfer(&mut world, nobody);
    assert_eq!(error(&world, number).code, Code::NotFound);
}

#[test]
fn explicit_headers_win_over_mapped_ones_and_have_receipts() {
    let mut world = world(Options::default());
    let phone = Phone::call(&mut world, "c", "");
    let identity = world.caller().identity;
    let attributes = [("outcome".to_owned(), "mapped".to_owned())].into();
    let patch = ParticipantPatch { attributes, ..ParticipantPatch::default() };
    world.ask(Command::UpdateParticipant { room: ROOM.into(), identity, patch }).unwrap().unwrap();
    let first = request(&mut world, TARGET);
    let number = transfer(&mut world, first);
    assert_eq!(header(&phone.last(&world, "REFER"), "X-Outcome").as_deref(), Some("mapped"));
    let refer = phone.last(&world, "REFER");
    phone.answer(&mut world, &refer, "603 Decline", "", None);
    assert_eq!(failed(&world, number), (TransferOutcome::Rejected, Some(603)));
    let mut second = request(&mut world, TARGET);
    second.headers.insert("x-outcome".into(), "explicit".into());
    transfer(&mut world, second);
    let refer = phone.last(&world, "REFER");
    assert!(refer.contains("x-outcome: explicit\r\n") && !refer.contains("mapped"), "{refer}");
    accept(&phone, &mut world);
    let receipts: Vec<_> = match world.ask(Command::LiveCalls) {
        Some(Ok(Reply::Calls(calls))) => calls[0].receipts.iter().filter(|r| r.message == "REFER").cloned().collect(),
        other => panic!("{other:?}"),
    };
    assert_eq!(receipts[0].acknowledged_by, Some(603));
    assert_eq!(
        (receipts.last().unwrap().value.as_str(), receipts.last().unwrap().acknowledged_by),
        ("explicit", Some(202))
    );
}

#[test]
fn success_is_told_everywhere_and_ends_the_call() {
    let (mut world, mut phone, number) = begin(Options::default());
    assert_eq!(world.attribute("trunkline.transferStatus").as_deref(), Some("ongoing"));
    accept(&phone, &mut world);
    let cseq = header(&phone.last(&world, "REFER"), "CSeq").unwrap().replace(" REFER", "");
    let trying = notify(&mut phone, &mut world, "refer", "active;expires=60", "SIP/2.0 100 Trying\r\n");
    assert!(trying.starts_with("SIP/2.0 200"), "{trying}");
    assert!(!world.replies.contains_key(&number));
    // An older REFER's news decide nothing, nor does another event.
    notify(&mut phone, &mut world, "refer;id=0", "terminated", "SIP/2.0 200 OK\r\n");
    assert!(!world.replies.contains_key(&number));
    assert!(notify(&mut phone, &mut world, "presence", "active", "SIP/2.0 200 OK").starts_with("SIP/2.0 489"));
    let event = format!("Refer; id={cseq}");
    notify(&mut phone, &mut world, &event, "terminated;reason=noresource", "SIP/2.0 202 Accepted\r\n");
    let told = reply(&world, number);
    assert_eq!(told.outcome, TransferOutcome::Completed);
    assert!(told.transfer.starts_with("STR_"));
    assert_eq!(told.sip_status.unwrap().code, 202);
    assert_eq!(world.attribute("trunkline.transferStatus").as_deref(), Some("successful"));
    assert!(phone.got(&world, "BYE").is_empty(), "the far end may hang up itself");
    world.wait(Duration::from_secs(1));
    phone.ok(&mut world, "BYE");
    assert_eq!(reason(&world), EndReason::Transferred);
    let transfers = world.record().transfers;
    assert_eq!((transfers.len(), transfers[0].outcome), (1, Some(TransferOutcome::Completed)));
    assert_eq!(transfers[0].target, TARGET);
    let webhooks: Vec<_> = world.webhooks.iter().map(|(event, _)| *event).collect();
    for event in ["sip_transfer_started", "sip_transfer_ended"] {
        assert_eq!(webhooks.iter().filter(|e| **e == event).count(), 1);
    }
    world.assert_over();
}

#[test]
fn the_far_end_may_hang_up_first() {
    let (mut world, mut phone, number) = begin(Options::default());
    accept(&phone, &mut world);
    notify(&mut phone, &mut world, "refer", "terminated", "SIP/2.0 200 OK\r\n");
    assert!(phone.request(&mut world, "BYE", "", None).starts_with("SIP/2.0 200"));
    assert_eq!(reply(&world, number).outcome, TransferOutcome::Completed);
    assert_eq!(reason(&world), EndReason::Transferred);
    assert!(phone.got(&world, "BYE").is_empty());
    world.assert_over();
}

#[test]
fn bye_after_the_refer_was_taken_is_success_and_before_it_is_the_end_of_the_call() {
    let (mut world, mut phone, number) = begin(Options::default());
    accept(&phone, &mut world);
    phone.request(&mut world, "BYE", "", None);
    assert_eq!(reply(&world, number).outcome, TransferOutcome::Completed);
    assert_eq!(reason(&world), EndReason::Transferred);
    let (mut world, mut phone, number) = begin(Options::default());
    phone.request(&mut world, "BYE", "", None);
    assert_eq!(reply(&world, number).outcome, TransferOutcome::CallEnded);
    assert_eq!(reason(&world), EndReason::RemoteBye);
    assert_eq!(world.record().transfers[0].outcome, Some(TransferOutcome::CallEnded));
    world.assert_over();
}

#[test]
fn a_room_that_is_deleted_meanwhile_is_no_success() {
    let (mut world, phone, number) = begin(Options::default());
    accept(&phone, &mut world);
    world.ask(Command::DeleteRoom(ROOM.into())).unwrap().unwrap();
    assert_eq!(reply(&world, number).outcome, TransferOutcome::CallEnded);
    phone.ok(&mut world, "BYE");
    assert_eq!(reason(&world), EndReason::RoomDeleted);
}

#[test]
fn refusals_leave_the_call_as_it_was() {
    let mut world = world(Options::default());
    let mut phone = Phone::call(&mut world, "c", "");
    for (frag, status) in [("SIP/2.0 486 Busy Here\r\n", 486), ("SIP/2.0 503 X", 503)] {
        let request = TransferRequest { play_dialtone: true, ..request(&mut world, TARGET) };
        let number = transfer(&mut world, request);
        assert_eq!(world.played().last(), Some(&Some(Sound::Ringing)));
        accept(&phone, &mut world);
        notify(&mut phone, &mut world, "refer", "terminated", frag);
        assert_eq!(failed(&world, number), (TransferOutcome::Rejected, Some(status)));
        assert_eq!(world.played().last(), Some(&None), "the room is heard again");
        assert_eq!(world.attribute("trunkline.transferStatus").as_deref(), Some("failed"));
    }
    assert_eq!(world.attribute("sip.callStatus").as_deref(), Some("active"));
    assert!(phone.got(&world, "BYE").is_empty());
    phone.request(&mut world, "BYE", "", None);
    assert_eq!(world.record().transfers.len(), 2);
}

#[test]
fn a_subscription_that_ends_without_outcome_and_one_that_never_was() {
    let (mut world, mut phone, number) = begin(Options::default());
    accept(&phone, &mut world);
    notify(&mut phone, &mut world, "refer", "terminated;reason=timeout", "SIP/2.0 100 Trying\r\n");
    assert_eq!(failed(&world, number), (TransferOutcome::SubscriptionTerminated, None));
    let (mut world, phone, number) = begin(Options::default());
    let refer = phone.last(&world, "REFER");
    phone.answer(&mut world, &refer, "202 Accepted", "Refer-Sub: false\r\n", None);
    assert_eq!(reply(&world, number).outcome, TransferOutcome::Completed);
}

#[test]
fn a_notify_that_nobody_asked_for_is_refused() {
    let mut world = world(Options::default());
    let mut phone = Phone::call(&mut world, "c", "");
    let answer = notify(&mut phone, &mut world, "refer", "active", "SIP/2.0 200 OK\r\n");
    assert!(answer.starts_with("SIP/2.0 481"), "{answer}");
    assert!(world.participants().len() == 1);
}

#[test]
fn the_timeout_bounds_it_and_late_news_count() {
    let (mut world, mut phone, number) = begin(Options::default());
    accept(&phone, &mut world);
    world.wait(Duration::from_secs(19));
    assert!(!world.replies.contains_key(&number));
    world.wait(Duration::from_secs(2));
    assert_eq!(failed(&world, number), (TransferOutcome::RingingTimeout, None));
    assert_eq!(world.attribute("trunkline.transferReason").as_deref(), Some("ringing_timeout"));
    notify(&mut phone, &mut world, "refer", "terminated", "SIP/2.0 200 OK\r\n");
    world.wait(Duration::from_secs(2));
    phone.ok(&mut world, "BYE");
    assert_eq!(reason(&world), EndReason::Transferred);
    assert_eq!(world.record().transfers[0].outcome, Some(TransferOutcome::Completed));
    world.assert_over();
}

#[test]
fn a_refer_that_is_never_answered_ends_with_the_timeout() {
    let (mut world, phone, number) = begin(Options::default());
    world.wait(Duration::from_secs(21));
    assert_eq!(failed(&world, number), (TransferOutcome::RingingTimeout, None));
    world.wait(Duration::from_secs(40));
    assert!(phone.got(&world, "BYE").is_empty());
    assert_eq!(world.attribute("trunkline.transferStatus").as_deref(), Some("failed"));
}

#[test]
fn who_asks_again_waits_along_and_another_target_is_refused() {
    let (mut world, mut phone, first) = begin(Options::default());
    let again = request(&mut world, &format!("<{TARGET}>"));
    let again = transfer(&mut world, again);
    let other = request(&mut world, "tel:+1");
    let other = transfer(&mut world, other);
    assert_eq!(error(&world, other).code, Code::InvalidArgument);
    assert_eq!(phone.got(&world, "REFER").len(), 1);
    accept(&phone, &mut world);
    notify(&mut phone, &mut world, "refer", "terminated", "SIP/2.0 200 OK\r\n");
    assert_eq!(reply(&world, first).transfer, reply(&world, again).transfer);
}

#[test]
fn ways_are_tried_in_order_with_their_reasons() {
    let steps = vec![TransferStep::Refer, TransferStep::Bridge, TransferStep::ByeHeaders];
    let (mut world, phone, number) = begin(Options { transfer: Some(steps), ..Options::default() });
    let refer = phone.last(&world, "REFER");
    phone.answer(&mut world, &refer, "405 Method Not Allowed", "", None);
    phone.ok(&mut world, "BYE");
    assert_eq!(reply(&world, number).outcome, TransferOutcome::Completed);
    assert_eq!(reason(&world), EndReason::Transferred);
    let attempts = world.record().transfers[0].attempts.clone();
    assert_eq!(attempts.len(), 3);
    assert!(attempts[0].text.contains("405"), "{attempts:?}");
    assert!(!attempts[1].text.is_empty());
}

#[test]
fn the_agent_gets_the_call_back_with_the_reason() {
    let steps = vec![TransferStep::Refer, TransferStep::Agent];
    let (mut world, phone, number) = begin(Options { transfer: Some(steps), ..Options::default() });
    let refer = phone.last(&world, "REFER");
    phone.answer(&mut world, &refer, "480 Temporarily Unavailable", "", None);
    assert_eq!(failed(&world, number), (TransferOutcome::Rejected, Some(480)));
    assert_eq!(world.attribute("trunkline.transferStatus").as_deref(), Some("failed"));
    assert_eq!(world.attribute("trunkline.transferMethod").as_deref(), Some("agent"));
    assert_eq!(world.attribute("trunkline.transferStatusCode").as_deref(), Some("480"));
    assert!(phone.got(&world, "BYE").is_empty());
}

#[test]
fn an_attended_transfer_names_the_other_call() {
    let mut world = world(Options::default());
    let phone = Phone::call(&mut world, "c", "");
    let first = world.caller();
    let other = Phone::call(&mut world, "d", "");
    let id = world.participants().into_iter().find(|p| p.sid != first.sid).unwrap().attributes["sip.callID"].clone();
    let request = TransferRequest { identity: first.identity, ..request(&mut world, &format!("call:{id}")) };
    transfer(&mut world, request);
    let wanted = format!("<sip:u@198.51.100.1:5060?Replaces=d%3Bto-tag%3Dfar%3Bfrom-tag%3D{}>", other.to_tag);
    assert_eq!(header(&phone.last(&world, "REFER"), "Refer-To"), Some(wanted));
}

#[test]
fn a_refer_of_the_far_end_is_refused_unless_it_is_allowed() {
    for (allowed, status) in [(None, "403"), (Some(true), "202")] {
        let mut world = world(Options { incoming_refer: allowed, ..Options::default() });
        let mut phone = Phone::call(&mut world, "c", "");
        let answer = phone.request(&mut world, "REFER", "Refer-To: <sip:+1@h>\r\n", None);
        assert!(answer.starts_with(&format!("SIP/2.0 {status}")), "{answer}");
        let told: Vec<_> = phone.got(&world, "NOTIFY").iter().map(|n| n.contains("terminated")).collect();
        assert_eq!(told, if allowed.is_some() { vec![false, true] } else { Vec::new() });
    }
}

#[test]
fn what_is_told_of_a_second_refer_names_it() {
    let mut world = world(Options { incoming_refer: Some(true), ..Options::default() });
    let mut phone = Phone::call(&mut world, "c", "");
    for _ in 0..3 {
        phone.request(&mut world, "REFER", "Refer-To: <sip:+1@h>\r\n", None);
    }
    let refers = [3, 4].map(|cseq| format!("refer;id={cseq}"));
    let events: Vec<_> = phone.got(&world, "NOTIFY").iter().filter_map(|n| header(n, "Event")).collect();
    assert_eq!(events, ["refer", "refer", &refers[0], &refers[0], &refers[1], &refers[1]]);
}
