//! What happens at once, in every order: one final record, and nothing is left.

use crate::{
    phone::{OFFER, Phone, world},
    world::{ROOM, World},
};
use std::time::Duration;
use trunkline_exchange::{
    Input,
    command::{Command, TransferRequest},
};
use trunkline_routing::record::Options;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// 202 to our REFER.
    Accept,
    NotifySuccess,
    NotifyFailure,
    Bye,
    DeleteRoom,
    Hold,
    Reinvite,
    Update,
    /// Our re-INVITE is answered, if there is one.
    AnswerInvite,
    RefuseInvite,
    Move,
}

fn play(step: Step, world: &mut World, phone: &mut Phone, identity: &str) {
    let frag = |status| Some(("message/sipfrag", status));
    let notify = "Event: refer\r\nSubscription-State: terminated\r\n";
    let answer = |world: &mut World, phone: &Phone, method, status, sdp| {
        if let Some(request) = phone.got(world, method).pop() {
            phone.answer(world, &request, status, "", sdp);
        }
    };
    match step {
        Step::Accept => answer(world, phone, "REFER", "202 Accepted", None),
        Step::NotifySuccess => drop(phone.request(world, "NOTIFY", notify, frag("SIP/2.0 200 OK\r\n"))),
        Step::NotifyFailure => drop(phone.request(world, "NOTIFY", notify, frag("SIP/2.0 486 Busy\r\n"))),
        Step::Bye => drop(phone.request(world, "BYE", "", None)),
        Step::DeleteRoom => drop(world.ask(Command::DeleteRoom(ROOM.into()))),
        Step::Hold => {
            let hold = Command::Hold { room: ROOM.into(), identity: identity.into(), hold: true };
            let number = world.next_request();
            world.give(Input::Api(number, Box::new(hold)));
        }
        Step::Reinvite => {
            let refused = phone.request(world, "INVITE", "", Some(("application/sdp", OFFER)));
            assert!(!refused.is_empty(), "every request is answered");
            phone.ack(world, None);
        }
        Step::Update => {
            let answer = phone.request(world, "UPDATE", "", Some(("application/sdp", OFFER)));
            assert!(!answer.is_empty(), "every request is answered");
        }
        Step::AnswerInvite => answer(world, phone, "INVITE", "200 OK", Some(OFFER)),
        Step::RefuseInvite => answer(world, phone, "INVITE", "491 Request Pending", None),
        Step::Move => {
            let (room, destination) = (ROOM.to_owned(), "other".to_owned());
            drop(world.ask(Command::MoveParticipant { room, identity: identity.into(), destination }));
        }
    }
}

/// Every order of these steps.
fn orders(steps: &[Step]) -> Vec<Vec<Step>> {
    if steps.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (at, first) in steps.iter().enumerate() {
        let mut rest = steps.to_vec();
        rest.remove(at);
        all.extend(orders(&rest).into_iter().map(|mut order| {
            order.insert(0, *first);
            order
        }));
    }
    all
}

fn run(order: &[Step], hasty: bool) {
    let mut world = world(Options::default());
    world.hasty = hasty;
    let mut phone = Phone::call(&mut world, "c", "");
    let identity = world.caller().identity;
    let transfer = TransferRequest {
        room: ROOM.into(),
        identity: identity.clone(),
        target: "tel:+1".into(),
        headers: Default::default(),
        play_dialtone: true,
        timeout: Some(Duration::from_secs(10)),
    };
    let number = world.next_request();
    world.give(Input::Api(number, Box::new(Command::TransferSipParticipant(Box::new(transfer)))));
    for step in order {
        play(*step, &mut world, &mut phone, &identity);
    }
    world.wait(Duration::from_secs(15));
    for room in [ROOM, "other"] {
        drop(world.ask(Command::DeleteRoom(room.into())));
    }
    world.wait(Duration::from_secs(120));
    let ended = world.records.iter().filter(|record| record.ending.is_some()).count();
    assert_eq!(ended, 1, "one final record: {order:?}");
    assert!(world.exchange.is_quiet(), "nothing is left: {order:?}");
    assert!(world.replies.contains_key(&number), "whoever asked is answered: {order:?}");
    let told = |event: &str| world.webhooks.iter().filter(|(name, _)| *name == event).count();
    assert_eq!((told("sip_call_ended"), told("sip_transfer_started")), (1, 1), "{order:?}");
    assert!(told("sip_transfer_ended") >= 1, "{order:?}");
    let joined = told("participant_joined");
    assert_eq!(told("participant_left"), joined, "{order:?}");
}

#[test]
fn a_transfer_that_meets_the_end_of_the_call() {
    for order in orders(&[Step::Accept, Step::NotifySuccess, Step::Bye, Step::DeleteRoom, Step::Move]) {
        run(&order, false);
        run(&order, true);
    }
}

#[test]
fn a_transfer_that_fails_while_offers_meet() {
    for order in orders(&[Step::Hold, Step::Reinvite, Step::NotifyFailure, Step::AnswerInvite, Step::Bye]) {
        run(&order, true);
    }
    for order in orders(&[Step::Hold, Step::Update, Step::RefuseInvite, Step::AnswerInvite, Step::DeleteRoom]) {
        run(&order, true);
    }
}
