//! Calls that are given up while they ring, and what races with that.

use crate::world::{ROOM, SDP, Sent, World, request, trunk};
use std::{collections::BTreeMap, time::Duration};
use trunkline_exchange::{
    Input,
    command::{Code, Command},
};
use trunkline_routing::record::{Options, OutboundTrunk};
use trunkline_types::{DisconnectReason as D, EndReason};

fn ringing() -> (World, u64, Sent) {
    let trunk = OutboundTrunk { attributes_to_headers: BTreeMap::from([("why".into(), "X-Why".into())]), ..trunk() };
    let mut world = World::with(trunk, Options::default());
    let mut asked = request();
    asked.attributes.insert("why".into(), "changed my mind".into());
    let asked = world.dial(asked);
    let invite = world.last("INVITE");
    world.answer(&invite, "180 Ringing", "", "");
    (world, asked, invite)
}

#[test]
fn whoever_ends_it_in_the_room_cancels_it_at_once() {
    type End = fn(&mut World);
    let table: [(End, D, EndReason); 4] = [
        (|w| _ = w.ask(Command::DeleteRoom(ROOM.into())), D::RoomDeleted, EndReason::RoomDeleted),
        (
            |w| {
                let identity = w.participant().unwrap().identity;
                w.ask(Command::RemoveParticipant { room: ROOM.into(), identity });
            },
            D::ParticipantRemoved,
            EndReason::ParticipantRemoved,
        ),
        (
            |w| {
                let identity = w.participant().unwrap().identity;
                let (method, payload) = ("lk.sip.EndCall".into(), String::new());
                w.ask(Command::PerformRpc { room: ROOM.into(), identity, method, payload, response_timeout_ms: 0 });
            },
            D::ClientInitiated,
            EndReason::EndCall,
        ),
        (
            |w| {
                let now = w.now;
                w.give(Input::Drain(now));
                w.wait(Duration::ZERO);
            },
            D::ServerShutdown,
            EndReason::Shutdown,
        ),
    ];
    for (end, disconnected, reason) in table {
        let (mut world, asked, invite) = ringing();
        end(&mut world);
        let cancel = world.last("CANCEL");
        assert_eq!(cancel.header("X-Why").as_deref(), Some("changed my mind"));
        assert_eq!(cancel.header("Reason"), Some(format!("SIP;cause=487;text=\"{}\"", reason.as_str())));
        assert!(matches!(world.error(asked).code, Code::Canceled | Code::FailedPrecondition), "{reason:?}");
        world.answer(&cancel, "200 OK", "", "");
        world.answer(&invite, "487 Request Terminated", "", "");
        world.finish();
        assert_eq!(world.left().disconnect_reason, Some(disconnected), "{reason:?}");
        let record = world.record();
        assert_eq!(record.ending.unwrap().reason, reason);
        let receipt = record.receipts.iter().find(|r| r.message == "CANCEL").expect("a receipt");
        assert_eq!((receipt.header.as_str(), receipt.acknowledged_by), ("X-Why", Some(487)));
    }
}

#[test]
fn an_answer_that_crosses_our_cancel_is_hung_up() {
    let (mut world, _, invite) = ringing();
    world.ask(Command::DeleteRoom(ROOM.into()));
    world.answer(&invite, "200 OK", "", SDP);
    let order: Vec<_> = world.sent.iter().map(|s| s.method().to_owned()).collect();
    assert_eq!(order, ["INVITE", "CANCEL", "ACK", "BYE"]);
    world.answer(&invite, "200 OK", "", SDP);
    assert_eq!((world.all("ACK").len(), world.all("BYE").len()), (2, 1));
    world.finish();
    assert_eq!(world.record().ending.unwrap().reason, EndReason::RoomDeleted);
    assert_eq!(world.record().answered_at_ms, None);
    assert!(world.exchange.is_quiet());
}

#[test]
fn a_cancel_waits_for_the_first_provisional_answer() {
    let mut world = World::new();
    let asked = world.dial(request());
    let invite = world.last("INVITE");
    world.ask(Command::DeleteRoom(ROOM.into()));
    assert_eq!(world.error(asked).code, Code::Canceled);
    assert!(world.all("CANCEL").is_empty());
    world.answer(&invite, "100 Trying", "", "");
    let cancel = world.last("CANCEL");
    world.answer(&cancel, "200 OK", "", "");
    world.answer(&invite, "487 Request Terminated", "", "");
    world.finish();
    assert!(world.exchange.is_quiet());
}

#[test]
fn a_far_end_that_is_dead_does_not_keep_the_call() {
    let mut world = World::new();
    world.dial(request());
    world.ask(Command::DeleteRoom(ROOM.into()));
    world.finish();
    world.wait(Duration::from_secs(3_600));
    assert!(world.exchange.is_quiet());
}

#[test]
fn every_order_of_cancel_and_answer_ends_with_one_state() {
    // What reaches us in which order: provisional answers, the final one, and our own end between.
    let steps = ["180 Ringing", "183 Session Progress", "200 OK", "486 Busy Here", "end", "BYE", "UPDATE", "wait"];
    let count = steps.len();
    for number in 0..count.pow(4) {
        let order = [1, count, count.pow(2), count.pow(3)].map(|unit| steps[number / unit % count]);
        let mut world = World::new();
        let asked = world.dial(request());
        let invite = world.last("INVITE");
        for (at, step) in (30..).zip(order) {
            match step {
                "end" => _ = world.ask(Command::DeleteRoom(ROOM.into())),
                "wait" => world.wait(Duration::from_secs(8)),
                "BYE" => world.far_offer(&invite, "BYE", at, ""),
                "UPDATE" => world.far_offer(&invite, "UPDATE", at, SDP),
                "183 Session Progress" => world.answer(&invite, step, "", SDP),
                "200 OK" => world.answer(&invite, step, "", SDP),
                status => world.answer(&invite, status, "", ""),
            }
        }
        world.ask(Command::DeleteRoom(ROOM.into()));
        for bye in world.all("BYE") {
            world.answer(&bye, "200 OK", "", "");
        }
        if let Some(cancel) = world.all("CANCEL").pop() {
            world.answer(&cancel, "200 OK", "", "");
            world.answer(&invite, "487 Request Terminated", "", "");
        }
        world.wait(Duration::from_secs(3_600));
        let finals = world.records.iter().filter(|r| r.ending.is_some()).count();
        assert_eq!(finals, 1, "{order:?}");
        assert!(world.reply(asked).is_some(), "{order:?}");
        assert!(world.exchange.is_quiet(), "{order:?}");
        let answered = world.all("ACK").iter().any(|ack| ack.text.contains("ACK sip:far@"));
        let byes = world.all("BYE").len();
        let byes = byes
            .min(world.all("BYE").iter().map(|b| b.header("CSeq")).collect::<std::collections::BTreeSet<_>>().len());
        assert!(byes <= 1 && (byes == 0 || answered), "{order:?}: {byes}");
    }
}
