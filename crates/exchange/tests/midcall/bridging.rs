//! The target of a transfer is called into the room.

use crate::{
    phone::{OFFER, Phone, direct, header, trunk, world_of},
    world::{ROOM, World},
};
use std::time::Duration;
use trunkline_exchange::{
    Input,
    command::{ApiError, Command, Reply, TransferOutcome, TransferReply, TransferRequest},
};
use trunkline_routing::record::{Options, OutboundTrunk, TransferStep};
use trunkline_types::{EndReason, TrunkId};

/// A world with a trunk out, whose far end is on host 9.
fn world(steps: Vec<TransferStep>, allowed: Option<Vec<String>>) -> World {
    let out = OutboundTrunk {
        id: TrunkId::from("ST_out"),
        address: "198.51.100.9".into(),
        numbers: vec!["+15550000000".into(), "+15551234567".into()],
        ..OutboundTrunk::default()
    };
    let options = Options { transfer: Some(steps), incoming_refer: Some(true), ..Options::default() };
    let of_out = Options { allowed_destinations: allowed, ..Options::default() };
    world_of(options, vec![direct("SDR_1", ROOM, "")], vec![trunk()], vec![(out, of_out)])
}

fn transfer(world: &mut World, target: &str) -> u64 {
    let identity = world.caller().identity;
    let number = world.next_request();
    let transfer = TransferRequest {
        room: ROOM.into(),
        identity,
        target: target.into(),
        headers: Default::default(),
        play_dialtone: false,
        timeout: Some(Duration::from_secs(20)),
    };
    world.give(Input::Api(number, Box::new(Command::TransferSipParticipant(Box::new(transfer)))));
    world.wait(Duration::from_millis(50));
    number
}

fn reply(world: &World, number: u64) -> TransferReply {
    match world.replies.get(&number) {
        Some(Ok(Reply::Transfer(reply))) => (**reply).clone(),
        other => panic!("{other:?}"),
    }
}

fn error(world: &World, number: u64) -> ApiError {
    match world.replies.get(&number) {
        Some(Err(error)) => error.clone(),
        other => panic!("{other:?}"),
    }
}

/// The INVITE to the target, and the telephone that got it.
fn callee(world: &World) -> (String, Phone) {
    let to_it = |text: &&String| text.starts_with("INVITE ") && !text.contains(";tag=far");
    let invite = world.sent.iter().rfind(to_it).expect("an INVITE").clone();
    let phone = Phone::at(&header(&invite, "Call-ID").expect("a Call-ID"), 9);
    (invite, phone)
}

fn with_tag(invite: &str) -> String {
    let to = header(invite, "To").expect("To");
    invite.replace(&format!("To: {to}\r\n"), &format!("To: {to};tag=callee\r\n"))
}

#[test]
fn the_target_joins_the_room_and_the_caller_stays() {
    let mut world = world(vec![TransferStep::Bridge], None);
    let phone = Phone::call(&mut world, "c", "");
    let number = transfer(&mut world, "tel:+15559876543;x=y");
    let (invite, callee) = callee(&world);
    assert!(invite.starts_with("INVITE sip:+15559876543@198.51.100.9"), "{invite}");
    assert!(header(&invite, "From").unwrap().contains("+15551234567"), "the number that the caller called");
    assert!(!world.replies.contains_key(&number));
    callee.answer(&mut world, &with_tag(&invite), "200 OK", "", Some(OFFER));
    assert_eq!(reply(&world, number).outcome, TransferOutcome::Completed);
    let who: Vec<_> = world.participants().into_iter().map(|p| p.identity).collect();
    assert_eq!(who, ["sip_+15559876543", "sip_+17770"]);
    assert!(phone.got(&world, "BYE").is_empty() && phone.got(&world, "REFER").is_empty());
}

#[test]
fn a_target_that_is_busy_leaves_the_call_as_it_was() {
    let mut world = world(vec![TransferStep::Bridge], None);
    let phone = Phone::call(&mut world, "c", "");
    let number = transfer(&mut world, "sip:+15559876543@198.51.100.9");
    let (invite, callee) = callee(&world);
    callee.answer(&mut world, &with_tag(&invite), "486 Busy Here", "", None);
    let told = error(&world, number);
    assert_eq!(told.sip_status.map(|s| s.code), Some(486));
    assert_eq!(told.transfer.map(|t| t.1), Some(TransferOutcome::Rejected));
    assert_eq!(world.participants().len(), 1);
    assert!(phone.got(&world, "BYE").is_empty());
}

#[test]
fn a_caller_who_hangs_up_takes_the_call_to_the_target_back() {
    let mut world = world(vec![TransferStep::Bridge], None);
    let mut phone = Phone::call(&mut world, "c", "");
    let number = transfer(&mut world, "tel:+15559876543");
    let (invite, callee) = callee(&world);
    callee.answer(&mut world, &with_tag(&invite), "180 Ringing", "", None);
    phone.request(&mut world, "BYE", "", None);
    assert_eq!(reply(&world, number).outcome, TransferOutcome::CallEnded);
    assert_eq!(callee.got(&world, "CANCEL").len(), 1);
    callee.ok(&mut world, "CANCEL");
    callee.answer(&mut world, &with_tag(&invite), "487 Request Terminated", "", None);
    assert!(world.participants().is_empty());
    assert!(world.records.iter().any(|r| r.ending.as_ref().is_some_and(|e| e.reason == EndReason::RemoteBye)));
}

#[test]
fn where_no_trunk_leads_nobody_is_called() {
    let only = Some(vec!["+44".to_owned()]);
    for (target, allowed) in [("sip:a@elsewhere.example", None), ("tel:+15559876543", only), ("tel:", None)] {
        let mut world = world(vec![TransferStep::Bridge], allowed);
        Phone::call(&mut world, "c", "");
        let number = transfer(&mut world, target);
        if target != "tel:" {
            let told = error(&world, number);
            assert_eq!(told.transfer.map(|t| t.1), Some(TransferOutcome::Rejected));
            assert!(!told.message.is_empty());
        }
        assert!(world.sent.iter().all(|text| !text.starts_with("INVITE ")), "{target}");
    }
}

#[test]
fn a_refer_of_the_far_end_calls_whom_it_names() {
    let mut world = world(vec![TransferStep::Refer], None);
    let mut phone = Phone::call(&mut world, "c", "");
    let answer = phone.request(&mut world, "REFER", "Refer-To: <tel:+15559876543>\r\n", None);
    assert!(answer.starts_with("SIP/2.0 202"), "{answer}");
    let (invite, callee) = callee(&world);
    phone.ok(&mut world, "NOTIFY");
    callee.answer(&mut world, &with_tag(&invite), "200 OK", "", Some(OFFER));
    let told = phone.last(&world, "NOTIFY");
    assert!(told.contains("SIP/2.0 200 OK\r\n") && told.contains("Subscription-State: terminated"), "{told}");
    assert_eq!(world.participants().len(), 2);
}

#[test]
fn whoever_asked_for_somebody_by_refer_learns_what_that_one_answered() {
    let mut world = world(vec![TransferStep::Refer], None);
    let mut phone = Phone::call(&mut world, "c", "");
    let answer = phone.request(&mut world, "REFER", "Refer-To: <sip:+15559876543@198.51.100.9>\r\n", None);
    assert!(answer.starts_with("SIP/2.0 202"), "{answer}");
    let trying = phone.last(&world, "NOTIFY");
    assert!(trying.ends_with("SIP/2.0 100 Trying\r\n"), "{trying}");
    phone.ok(&mut world, "NOTIFY");
    let (invite, callee) = callee(&world);
    callee.answer(&mut world, &with_tag(&invite), "486 Busy Just Now", "", None);
    let told = phone.last(&world, "NOTIFY");
    assert!(told.ends_with("SIP/2.0 486 Busy Just Now\r\n") && told.contains("terminated"), "{told}");
    assert!(phone.got(&world, "BYE").is_empty());
}
