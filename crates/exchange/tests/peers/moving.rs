//! Clients are moved to another room.

use crate::world::{ROOM, World};
use std::time::Duration;
use trunkline_call::media::peer::PeerPlan;
use trunkline_exchange::{
    Input,
    command::{ApiError, Code, Command, Reply},
};
use trunkline_room::{
    ParticipantInfo, ParticipantPatch, RoomSettings, State, TrackKind,
    signal::{Connect, Joined, LeaveAction, Response},
};
use trunkline_types::{DisconnectReason as Reason, ParticipantSid};

const NEXT: &str = "next";

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

fn set(world: &mut World, room: &str, identity: &str, key: &str) {
    let attributes = [(key.to_owned(), "set".to_owned())].into();
    let patch = ParticipantPatch { attributes, ..ParticipantPatch::default() };
    let (room, identity) = (room.to_owned(), identity.to_owned());
    world.ask(Command::UpdateParticipant { room, identity, patch }).unwrap().unwrap();
}

fn moved(world: &World, connection: u64) -> Joined {
    let said = world.said(connection);
    let found = said.iter().find_map(|response| match response {
        Response::Moved(moved) => Some((**moved).clone()),
        _ => None,
    });
    found.expect("it was told")
}

/// As the token has it that was made for the client.
fn ticket(world: &World, identity: &str, place: &ParticipantSid) -> Connect {
    Connect { room: NEXT.into(), place: Some(place.clone()), ..world.connect(identity) }
}

#[test]
fn it_finds_its_place_in_the_next_room() {
    let mut world = World::default();
    let ann = world.join(1, "ann");
    world.join(2, "bob");
    world.publish(1, "mic", TrackKind::Audio);
    set(&mut world, ROOM, "ann", "before");
    world.forget_said();
    assert!(matches!(move_to(&mut world, "ann", NEXT), Ok(Reply::Done)));

    assert_eq!(world.words(1), ["Moved", "Leave"]);
    assert_eq!(world.leaves(1), [(Reason::Migration, LeaveAction::Reconnect)]);
    assert!(world.hung_up.contains(&1));
    assert!(world.plans.iter().any(|plan| matches!(plan, PeerPlan::Close { participant } if *participant == ann)));
    let gone = world.shown(2, "ann").pop().expect("bob sees it");
    assert_eq!((gone.state, gone.disconnect_reason), (State::Disconnected, Some(Reason::Migration)));
    let place = moved(&world, 1);
    assert_eq!((place.room.name.as_str(), place.participant.identity.as_str()), (NEXT, "ann"));
    assert_eq!(place.participant.attributes["before"], "set");
    assert_ne!(place.participant.sid, ann);

    // What is done to it on its way is not lost.
    set(&mut world, NEXT, "ann", "meanwhile");
    let connect = ticket(&world, "ann", &place.participant.sid);
    world.join_with(3, connect).unwrap().unwrap();
    assert_eq!(world.up(3), place.participant.sid);
    let there = within(&mut world, NEXT).pop().expect("it is there");
    assert_eq!((there.state, there.attributes.len()), (State::Active, 2));
    assert_eq!(within(&mut world, ROOM).len(), 1);
    // The place is taken, for good.
    world.wait(Duration::from_secs(120));
    assert_eq!(within(&mut world, NEXT).len(), 1);
}

#[test]
fn a_place_is_kept_for_a_while_and_only_for_its_owner() {
    let mut world = World::default();
    world.join(1, "ann");
    move_to(&mut world, "ann", NEXT).unwrap();
    assert_eq!(within(&mut world, NEXT).len(), 1);
    world.wait(Duration::from_secs(61));
    assert!(within(&mut world, NEXT).is_empty(), "its client has not come");
    // It comes too late for its place, and not too late to join.
    let connect = ticket(&world, "ann", &moved(&world, 1).participant.sid);
    world.join_with(2, connect).unwrap().unwrap();
    world.up(2);
    assert_eq!(within(&mut world, NEXT).len(), 1);

    world.join(3, "bob");
    move_to(&mut world, "bob", NEXT).unwrap();
    // Somebody of that name without the token for the place is somebody else.
    set(&mut world, NEXT, "bob", "mine");
    let stranger = Connect { room: NEXT.into(), ..world.connect("bob") };
    world.join_with(4, stranger).unwrap().unwrap();
    world.up(4);
    let all = within(&mut world, NEXT);
    assert!(all.iter().all(|p| p.attributes.is_empty()) && all.len() == 2);
}

#[test]
fn who_is_removed_on_the_way_does_not_arrive() {
    for whole_room in [false, true] {
        let mut world = World::default();
        world.join(1, "ann");
        move_to(&mut world, "ann", NEXT).unwrap();
        let removal = if whole_room {
            Command::DeleteRoom(NEXT.into())
        } else {
            Command::RemoveParticipant { room: NEXT.into(), identity: "ann".into() }
        };
        world.ask(removal).unwrap().unwrap();
        let connect = ticket(&world, "ann", &moved(&world, 1).participant.sid);
        for connection in [2, 3] {
            let refused = world.join_with(connection, connect.clone()).unwrap().unwrap_err();
            assert_eq!(refused.code, Code::PermissionDenied);
        }
        assert!(within(&mut world, NEXT).is_empty());
    }
}

#[test]
fn what_cannot_be_moved_is_refused() {
    let mut world = World::default();
    world.join(1, "ann");
    let mut code = |identity: &str, destination: &str| move_to(&mut world, identity, destination).unwrap_err().code;
    assert_eq!(code("ann", ROOM), Code::InvalidArgument);
    assert_eq!(code("ann", ""), Code::InvalidArgument);
    assert_eq!(code("nobody", NEXT), Code::NotFound);
    let full = RoomSettings { max_participants: 1, ..RoomSettings::default() };
    world.ask(Command::CreateRoom(NEXT.into(), full)).unwrap().unwrap();
    let there = Connect { room: NEXT.into(), ..world.connect("bob") };
    world.join_with(2, there).unwrap().unwrap();
    world.up(2);
    world.forget_said();
    assert_eq!(move_to(&mut world, "ann", NEXT).unwrap_err().code, Code::ResourceExhausted);
    assert!(world.words(1).is_empty(), "what is refused leaves everything as it was");
    // A client that is cut could not be told.
    world.give(Input::SignalClosed(1));
    assert_eq!(move_to(&mut world, "ann", "third").unwrap_err().code, Code::FailedPrecondition);
    assert_eq!(world.participants().len(), 1);
}
