//! Joining and leaving.

use crate::world::{ROOM, World};
use std::time::Duration;
use trunkline_call::media::peer::{PeerFact, PeerPlan};
use trunkline_exchange::{
    Input,
    command::{Code, Command},
};
use trunkline_room::{
    ParticipantPatch, Permission, RoomSettings, State, TrackKind,
    signal::{LeaveAction, Outcome, Request, Response},
};
use trunkline_types::DisconnectReason as Reason;

#[test]
fn a_client_is_let_in_then_welcomed_then_answered() {
    let mut world = World::default();
    world.join(1, "ann");
    let expected = ["Reply Done", "1 Join", "1 RefreshToken", "Offer", "1 Answer", "1 Update", "SendData"];
    let expected = &expected[..6];
    assert_eq!(world.order, expected);
    let Response::Join(joined) = &world.said(1)[0] else { panic!("{:?}", world.said(1)[0]) };
    assert_eq!((joined.participant.state, joined.subscriber_primary), (State::Joined, false));
    assert_eq!(joined.room.num_participants, 1);
    assert_eq!(world.webhooks, [("room_started", String::new()), ("participant_joined", "ann".into())]);
}

#[test]
fn others_see_a_newcomer_at_once_and_again_when_it_is_active() {
    let mut world = World::default();
    world.join(1, "ann");
    world.forget_said();
    let connect = world.connect("bob");
    world.join_with(2, connect);
    assert_eq!(world.words(1), ["Update", "RoomUpdate"]);
    world.up(2);
    assert_eq!(world.states(1, "bob"), [State::Joined, State::Active]);
    assert_eq!(world.states(2, "bob"), [State::Active]);
    let versions: Vec<_> = world.shown(1, "bob").iter().map(|p| p.version).collect();
    assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    let Response::Join(joined) = &world.said(2)[0] else { panic!("no join") };
    assert_eq!(joined.others.iter().map(|p| p.identity.as_str()).collect::<Vec<_>>(), ["ann"]);
}

#[test]
fn the_hidden_see_and_are_not_seen() {
    let mut world = World::default();
    world.join(1, "ann");
    let mut connect = world.connect("spy");
    connect.join.permission = Permission { hidden: true, ..Permission::default() };
    world.join_with(2, connect).unwrap().unwrap();
    world.up(2);
    world.publish(1, "mic", TrackKind::Audio);
    assert_eq!(world.clients[&2].hears.len(), 1);
    world.request(2, Request::Leave(Reason::ClientInitiated));
    assert!(world.shown(1, "spy").is_empty());
    world.join(3, "bob");
    let Response::Join(joined) = &world.said(3)[0] else { panic!("no join") };
    assert_eq!(joined.others.len(), 1);
}

#[test]
fn refusals_come_before_anything_is_said() {
    let mut world = World::default();
    world.ask(Command::CreateRoom(ROOM.into(), RoomSettings { max_participants: 1, ..RoomSettings::default() }));
    world.join(1, "ann");
    let connect = world.connect("bob");
    let error = world.join_with(2, connect).unwrap().unwrap_err();
    assert_eq!(error.code, Code::ResourceExhausted);
    let connect = world.connect("");
    assert_eq!(world.join_with(3, connect).unwrap().unwrap_err().code, Code::InvalidArgument);
    assert!(world.said(2).is_empty() && world.said(3).is_empty());
    world.join(4, "ann");
    assert_eq!(world.leaves(1), [(Reason::DuplicateIdentity, LeaveAction::Disconnect)], "its place is its own");
}

#[test]
fn a_second_one_of_that_name_replaces_the_first() {
    let mut world = World::default();
    world.join(1, "ann");
    let first = world.join(2, "bob");
    world.publish(2, "mic", TrackKind::Audio);
    assert_eq!(world.clients[&1].hears.len(), 1);
    world.forget_said();
    let second = world.join(3, "bob");
    assert_ne!(first, second);
    assert_eq!(world.leaves(2), [(Reason::DuplicateIdentity, LeaveAction::Disconnect)]);
    assert!(world.hung_up.contains(&2));
    assert_eq!(world.states(1, "bob"), [State::Joined, State::Active], "nobody is told that he left");
    assert!(world.clients[&1].hears.is_empty(), "his track is gone");
    let at = |word: &str| world.order.iter().position(|w| w == word).unwrap();
    assert!(at("2 Leave") < at("2 HangUp") && at("2 HangUp") < at("Reply Done") && at("Reply Done") < at("3 Join"));
    world.give(Input::SignalClosed(2));
    assert_eq!(world.participants().len(), 2);
    let mut track_of_new = world.publish(3, "mic", TrackKind::Audio);
    assert_eq!(world.clients[&1].hears.values().next(), Some(&track_of_new));
    track_of_new = track_of_new.as_str().into();
    assert!(track_of_new.as_str().starts_with("TR_AM"));
}

#[test]
fn who_never_connects_is_removed() {
    let mut world = World::default();
    world.join(1, "ann");
    let connect = world.connect("bob");
    world.join_with(2, connect);
    world.wait(Duration::from_secs(59));
    assert!(world.leaves(2).is_empty());
    world.wait(Duration::from_secs(2));
    assert_eq!(world.leaves(2), [(Reason::JoinFailure, LeaveAction::Disconnect)]);
    assert!(world.webhooks.contains(&("participant_connection_aborted", "bob".into())));
    assert!(!world.webhooks.contains(&("participant_left", "bob".into())));
    assert_eq!(world.shown(1, "bob").last().unwrap().disconnect_reason, Some(Reason::JoinFailure));
}

#[test]
fn attributes_set_and_then_a_deleted_room_arrive_in_that_order() {
    let mut world = World::default();
    world.join(1, "ann");
    world.join(2, "bob");
    world.publish(2, "mic", TrackKind::Audio);
    world.forget_said();
    let attributes = [("route".to_owned(), "sales".to_owned())].into();
    let patch = ParticipantPatch { attributes, ..ParticipantPatch::default() };
    world.ask(Command::UpdateParticipant { room: ROOM.into(), identity: "bob".into(), patch }).unwrap().unwrap();
    world.ask(Command::DeleteRoom(ROOM.into())).unwrap().unwrap();
    for (connection, identity) in [(1, "ann"), (2, "bob")] {
        assert_eq!(world.shown(connection, "bob")[0].attributes["route"], "sales", "{identity}");
        assert_eq!(world.leaves(connection), [(Reason::RoomDeleted, LeaveAction::Disconnect)]);
        assert!(world.hung_up.contains(&connection));
    }
    let order: Vec<_> = world.webhooks.iter().map(|(event, _)| *event).collect();
    assert_eq!(order, ["participant_left", "track_unpublished", "participant_left", "room_finished"]);
    let reply = world.order.iter().rposition(|w| w == "Reply Done").unwrap();
    assert!(world.order.iter().rposition(|w| w.ends_with("HangUp")).unwrap() < reply, "answered when all were told");
    assert!(world.exchange.is_quiet());
}

#[test]
fn the_reason_of_leaving_is_the_clients_where_it_may_be() {
    for (said, seen) in [
        (Reason::UserRejected, Reason::UserRejected),
        (Reason::UserUnavailable, Reason::UserUnavailable),
        (Reason::AgentError, Reason::AgentError),
        (Reason::RoomDeleted, Reason::ClientInitiated),
    ] {
        let mut world = World::default();
        world.join(1, "ann");
        world.join(2, "bob");
        world.request(2, Request::Leave(said));
        let gone = world.shown(1, "bob").pop().unwrap();
        assert_eq!((gone.state, gone.disconnect_reason), (State::Disconnected, Some(seen)));
        assert!(gone.tracks.is_empty() && world.hung_up.contains(&2));
        assert!(world.plans.iter().any(|p| matches!(p, PeerPlan::Close { participant } if *participant == gone.sid)));
    }
}

#[test]
fn what_goes_wrong_with_a_peer_concerns_that_peer() {
    let facts: [fn(&World) -> PeerFact; 3] = [
        |w| PeerFact::Failed { peer: w.peer(2), why: "x".into() },
        |w| PeerFact::Faulted { peer: w.peer(2) },
        |w| PeerFact::Stuck { participant: w.sid(2) },
    ];
    for fact in facts {
        let mut world = World::default();
        world.join(1, "ann");
        world.join(2, "bob");
        let fact = fact(&world);
        world.tell(fact);
        assert_eq!(world.leaves(2), [(Reason::StateMismatch, LeaveAction::Reconnect)]);
        assert_eq!(world.participants().len(), 1);
        assert!(world.leaves(1).is_empty());
    }
}

#[test]
fn a_client_changes_what_it_may_and_hears_of_it_before_the_reply() {
    let mut world = World::default();
    world.join(1, "ann");
    world.forget_said();
    let patch = |key: &str, value: &str| ParticipantPatch {
        attributes: [(key.to_owned(), value.to_owned())].into(),
        ..ParticipantPatch::default()
    };
    world.request(1, Request::UpdateMetadata { request_id: 9, patch: patch("a", "1") });
    assert_eq!(world.words(1), ["Update", "RefreshToken", "RequestResponse"]);
    world.request(1, Request::UpdateMetadata { request_id: 10, patch: patch("a", "") });
    assert!(world.shown(1, "ann").last().unwrap().attributes.is_empty());
    let long = "x".repeat(64 * 1024 + 1);
    world.request(1, Request::UpdateMetadata { request_id: 11, patch: patch("a", &long) });
    let Some(Response::RequestResponse { request_id: 11, outcome, message, .. }) = world.said(1).last() else {
        panic!("no reply")
    };
    assert_eq!((*outcome, message.as_str()), (Outcome::LimitExceeded, "exceeds attributes size limit"));
    let mut connect = world.connect("bob");
    connect.join.permission.can_update_metadata = false;
    world.join_with(2, connect);
    world.request(2, Request::UpdateMetadata { request_id: 1, patch: patch("a", "1") });
    let Some(Response::RequestResponse { outcome, message, .. }) = world.said(2).last() else { panic!("no reply") };
    assert_eq!((*outcome, message.as_str()), (Outcome::NotAllowed, "does not have permission to update own metadata"));
}

#[test]
fn a_stopping_server_says_so() {
    let mut world = World::default();
    world.join(1, "ann");
    let end = world.now;
    world.give(Input::Drain(end));
    assert_eq!(world.leaves(1), [(Reason::ServerShutdown, LeaveAction::Disconnect)]);
    let connect = world.connect("bob");
    assert_eq!(world.join_with(2, connect).unwrap().unwrap_err().code, Code::Unavailable);
}
