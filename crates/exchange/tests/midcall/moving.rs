//! Telephones change their room.

use crate::{
    phone::{Phone, header, world},
    world::{ROOM, World},
};
use trunkline_call::media::{MediaPlan, peer::PeerPlan};
use trunkline_exchange::command::{ApiError, Code, Command, Reply};
use trunkline_room::{ParticipantInfo, ParticipantPatch, RoomSettings, TrackKind};
use trunkline_routing::record::Options;
use trunkline_types::{DisconnectReason, EndReason};

fn move_to(world: &mut World, identity: &str, destination: &str) -> Result<Reply, ApiError> {
    let (room, identity, destination) = (ROOM.to_owned(), identity.to_owned(), destination.to_owned());
    world.ask(Command::MoveParticipant { room, identity, destination }).expect("answered at once")
}

fn within(world: &mut World, room: &str) -> Vec<ParticipantInfo> {
    match world.ask(Command::ListParticipants(room.into())) {
        Some(Ok(Reply::Participants(all))) => all,
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_stays_the_same_call_in_the_next_room() {
    let mut world = world(Options::default());
    let phone = Phone::call(&mut world, "c", "");
    let before = world.caller();
    world.join(1, "agent");
    let patch = ParticipantPatch {
        attributes: [("outcome".to_owned(), "kept".to_owned())].into(),
        ..ParticipantPatch::default()
    };
    let (room, identity) = (ROOM.to_owned(), before.identity.clone());
    world.ask(Command::UpdateParticipant { room, identity, patch }).unwrap().unwrap();
    assert!(matches!(move_to(&mut world, &before.identity, "consult"), Ok(Reply::Done)));
    assert!(within(&mut world, ROOM).iter().all(|p| p.identity != before.identity));
    let after = within(&mut world, "consult").pop().expect("it is there");
    assert_eq!((&after.identity, after.kind), (&before.identity, before.kind));
    assert_eq!(after.attributes["outcome"], "kept");
    assert_eq!(after.attributes["sip.callStatus"], "active");
    assert_eq!(after.tracks.len(), 1);
    let from_to = world.media.iter().find_map(|plan| match plan {
        MediaPlan::Move { from, to, .. } => Some((from.clone(), to.clone())),
        _ => None,
    });
    assert_eq!(from_to.map(|(from, to)| from != to), Some(true));
    let published = world.plans.iter().filter(|p| matches!(p, PeerPlan::Publish { .. })).count();
    assert_eq!(published, 2, "once in each room");
    let left = world.shown(1, &before.identity).pop().expect("the agent sees that it has gone");
    assert_eq!(left.disconnect_reason, Some(DisconnectReason::Migration));
    assert!(phone.got(&world, "BYE").is_empty());
    // The room it has left has nothing to do with it any more.
    world.ask(Command::DeleteRoom(ROOM.into())).unwrap().unwrap();
    assert!(phone.got(&world, "BYE").is_empty());
    world.ask(Command::DeleteRoom("consult".into())).unwrap().unwrap();
    assert_eq!(header(&phone.last(&world, "BYE"), "X-Outcome").as_deref(), Some("kept"));
    phone.ok(&mut world, "BYE");
    let record = world.record();
    assert_eq!((record.room_name.as_str(), record.ending.unwrap().reason), ("consult", EndReason::RoomDeleted));
    world.assert_over();
}

#[test]
fn it_hears_and_is_heard_in_the_next_room() {
    let mut world = world(Options::default());
    let _phone = Phone::call(&mut world, "c", "");
    let caller = world.caller().identity;
    world.ask(Command::CreateRoom("consult".into(), RoomSettings::default())).unwrap().unwrap();
    assert!(move_to(&mut world, &caller, "consult").is_ok());
    // And back again, where somebody speaks.
    world.join(1, "agent");
    world.publish(1, "voice", TrackKind::Audio);
    let (room, identity, destination) = ("consult".to_owned(), caller.clone(), ROOM.to_owned());
    world.ask(Command::MoveParticipant { room, identity, destination }).unwrap().unwrap();
    let back = world.caller();
    assert_eq!(world.clients[&1].hears.values().collect::<Vec<_>>(), [&back.tracks[0].sid]);
    assert_eq!(world.count(1, |r| matches!(r, trunkline_room::signal::Response::TrackSubscribed(_))), 1);
}

#[test]
fn what_cannot_be_moved_is_refused() {
    let mut world = world(Options::default());
    let phone = Phone::call(&mut world, "c", "");
    let caller = world.caller().identity;
    world.join(1, "agent");
    let mut code = |identity: &str, destination: &str| move_to(&mut world, identity, destination).unwrap_err().code;
    assert_eq!(code(&caller, ROOM), Code::InvalidArgument);
    assert_eq!(code(&caller, ""), Code::InvalidArgument);
    assert_eq!(code("nobody", "consult"), Code::NotFound);
    let full = RoomSettings { max_participants: 1, ..RoomSettings::default() };
    world.ask(Command::CreateRoom("full".into(), full)).unwrap().unwrap();
    assert!(move_to(&mut world, &caller, "full").is_ok());
    Phone::call(&mut world, "d", "");
    let second = world.caller().identity;
    assert_eq!(move_to(&mut world, &second, "full").unwrap_err().code, Code::ResourceExhausted);
    assert_eq!(world.caller().identity, second, "what is refused leaves everything as it was");
    assert!(phone.got(&world, "BYE").is_empty());
}
