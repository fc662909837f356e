//! Clients whose signalling or media is cut.

use crate::world::{Client, World};
use std::time::Duration;
use trunkline_call::media::peer::{PeerFact, PeerPlan};
use trunkline_exchange::{Input, command::Command};
use trunkline_room::{
    State, TrackKind,
    signal::{Connect, Description, LeaveAction, Outcome, Request, Response, Scenario, SyncState},
};
use trunkline_types::{DisconnectReason as Reason, ParticipantSid};

fn resume(world: &mut World, from: u64, to: u64, sid: &ParticipantSid) {
    let client = world.clients.remove(&from).unwrap_or_default();
    world.clients.insert(to, client);
    let connect = Connect { resume: Some(sid.clone()), ..world.connect("bob") };
    world.ask(Command::Connect(to, Box::new(connect))).unwrap().unwrap();
}

#[test]
fn a_known_session_goes_on_and_the_others_notice_nothing() {
    let mut world = World::default();
    world.join(1, "ann");
    let sid = world.join(2, "bob");
    let own = world.publish(2, "mic", TrackKind::Audio);
    world.give(Input::SignalClosed(2));
    world.publish(1, "mic", TrackKind::Audio);
    world.forget_said();
    resume(&mut world, 2, 3, &sid);
    assert_eq!(world.order[..2], ["Reply Done", "3 Reconnect"]);
    let words = world.words(3);
    assert_eq!(words[..5], ["Reconnect", "Update", "RoomUpdate", "RefreshToken", "TrackSubscribed"]);
    let Response::Update(all) = &world.said(3)[1] else { panic!("no update") };
    assert_eq!(all.len(), 2, "itself included");
    assert_eq!(world.clients[&3].hears.len(), 1, "what was published meanwhile is heard");
    assert_eq!(world.words(1), ["TrackSubscribed"]);
    let sync = SyncState { published: vec![own], ..SyncState::default() };
    world.request(3, Request::SyncState(sync));
    assert!(world.leaves(3).is_empty());
    world.give(Input::SignalClosed(2));
    assert_eq!(world.participants().len(), 2, "the old connection is of no concern");
}

#[test]
fn the_old_connection_is_closed_when_it_is_not_gone_yet() {
    let mut world = World::default();
    let sid = world.join(2, "bob");
    resume(&mut world, 2, 3, &sid);
    assert!(world.hung_up.contains(&2) && !world.hung_up.contains(&3));
    resume(&mut world, 3, 4, &sid);
    assert_eq!(world.words(4)[0], "Reconnect");
}

#[test]
fn an_unknown_session_has_to_join_anew() {
    let mut world = World::default();
    let sid = world.join(1, "ann");
    for (connection, stranger) in [(5, ParticipantSid::from("PA_nobody")), (6, sid)] {
        world.clients.insert(connection, Client::default());
        let connect = Connect { resume: Some(stranger), ..world.connect("bob") };
        world.ask(Command::Connect(connection, Box::new(connect))).unwrap().unwrap();
        let leave = Response::Leave { reason: Reason::StateMismatch, action: LeaveAction::Reconnect };
        assert_eq!(world.said(connection), [leave]);
        assert!(world.hung_up.contains(&connection));
    }
    assert!(world.leaves(1).is_empty());
}

#[test]
fn a_client_that_publishes_what_is_not_known_has_to_join_anew() {
    let mut world = World::default();
    let sid = world.join(2, "bob");
    resume(&mut world, 2, 3, &sid);
    let sync = SyncState { published: vec!["TR_AMnone".into()], ..SyncState::default() };
    world.request(3, Request::SyncState(sync));
    assert_eq!(world.leaves(3), [(Reason::StateMismatch, LeaveAction::Reconnect)]);
}

#[test]
fn without_signalling_media_decides() {
    let mut world = World::default();
    world.join(1, "ann");
    world.join(2, "bob");
    world.give(Input::SignalClosed(2));
    world.wait(Duration::from_secs(600));
    assert_eq!(world.participants().len(), 2);
    let peer = world.peer(2);
    world.tell(PeerFact::Lost { peer });
    world.wait(Duration::from_secs(4));
    assert_eq!(world.participants().len(), 2);
    world.wait(Duration::from_secs(2));
    let gone = world.shown(1, "bob").pop().unwrap();
    assert_eq!((gone.state, gone.disconnect_reason), (State::Disconnected, Some(Reason::ConnectionTimeout)));
}

#[test]
fn who_closes_media_may_still_say_why_it_leaves() {
    let mut world = World::default();
    world.join(1, "ann");
    world.join(2, "bob");
    let peer = world.peer(2);
    world.tell(PeerFact::Closed { peer: peer.clone() });
    world.wait(Duration::from_secs(1));
    assert!(!world.hung_up.contains(&2), "its signalling stays open for its goodbye");
    world.request(2, Request::Leave(Reason::ClientInitiated));
    assert_eq!(world.shown(1, "bob").pop().unwrap().disconnect_reason, Some(Reason::ClientInitiated));
}

#[test]
fn who_closes_media_and_hangs_up_is_gone_at_once() {
    let mut world = World::default();
    world.join(1, "ann");
    for (connection, media_first) in [(2, true), (3, false)] {
        world.join(connection, "bob");
        let peer = world.peer(connection);
        if media_first {
            world.tell(PeerFact::Closed { peer });
            world.give(Input::SignalClosed(connection));
        } else {
            world.give(Input::SignalClosed(connection));
            world.tell(PeerFact::Closed { peer });
        }
        assert_eq!(world.shown(1, "bob").pop().unwrap().disconnect_reason, Some(Reason::SignalClose));
    }
}

#[test]
fn who_closes_media_and_stays_has_to_join_anew() {
    let mut world = World::default();
    world.join(2, "bob");
    let peer = world.peer(2);
    world.tell(PeerFact::Closed { peer });
    world.wait(Duration::from_secs(3));
    assert_eq!(world.leaves(2), [(Reason::StateMismatch, LeaveAction::Reconnect)]);
}

#[test]
fn media_that_comes_back_in_time_is_no_loss() {
    let mut world = World::default();
    let sid = world.join(2, "bob");
    let peer = world.peer(2);
    world.tell(PeerFact::Lost { peer: peer.clone() });
    world.tell(PeerFact::Lost { peer: peer.clone() });
    assert_eq!(world.leaves(2), [(Reason::ConnectionTimeout, LeaveAction::Resume)]);
    assert!(world.hung_up.contains(&2));
    resume(&mut world, 2, 3, &sid);
    world.tell(PeerFact::Connected { peer });
    world.wait(Duration::from_secs(60));
    assert_eq!(world.participants().len(), 1);
    assert_eq!(world.exchange.poll_timeout(), None, "nothing is due while nothing happens");
}

#[test]
fn a_client_that_never_had_media_leaves_with_its_signalling() {
    let mut world = World::default();
    world.join(1, "ann");
    let connect = world.connect("bob");
    world.join_with(2, connect);
    world.give(Input::SignalClosed(2));
    assert_eq!(world.shown(1, "bob").pop().unwrap().disconnect_reason, Some(Reason::SignalClose));
}

#[test]
fn what_was_sent_meanwhile_is_sent_again_once_and_in_order() {
    let mut world = World::default();
    let ann = world.join(1, "ann");
    let bob = world.join(2, "bob");
    let packet = |n: u8| [&[0x12, 3, 0x12, 1, n, 0x80, 0x01, n][..]].concat().into();
    for n in 1..=3 {
        world.tell(PeerFact::Data { participant: ann.clone(), reliable: true, payload: packet(n) });
    }
    world.give(Input::SignalClosed(2));
    world.forget_said();
    resume(&mut world, 2, 3, &bob);
    let sync = SyncState { received: vec![(ann, 1)], ..SyncState::default() };
    world.request(3, Request::SyncState(sync));
    let sent: Vec<u8> = world
        .plans
        .iter()
        .filter_map(|p| match p {
            PeerPlan::SendData { to, payload, .. } if *to == [bob.clone()] => {
                payload.windows(3).find(|w| w[..2] == [0x80, 0x01]).map(|w| w[2])
            }
            _ => None,
        })
        .collect();
    assert_eq!(sent, [2, 3]);
}

#[test]
fn test_scenarios() {
    let mut world = World::default();
    world.join(1, "ann");
    let sid = world.join(2, "bob");
    world.request(2, Request::Simulate(Scenario::DisconnectSignalOnResumeNoMessages));
    resume(&mut world, 2, 3, &sid);
    assert!(world.hung_up.contains(&3) && world.said(3).is_empty());
    resume(&mut world, 3, 4, &sid);
    assert_eq!(world.words(4)[0], "Reconnect");
    world.request(4, Request::Simulate(Scenario::Unplayable("no such thing")));
    let Some(Response::RequestResponse { outcome, message, .. }) = world.said(4).last() else { panic!("no reply") };
    assert_eq!((*outcome, message.as_str()), (Outcome::UnsupportedType, "no such thing"));
    world.request(4, Request::Simulate(Scenario::DisconnectSignalOnResume));
    resume(&mut world, 4, 6, &sid);
    assert!(world.hung_up.contains(&6));
    assert_eq!(world.words(6)[0], "Reconnect");
    resume(&mut world, 6, 7, &sid);
    assert!(!world.hung_up.contains(&7));
    world.request(7, Request::Simulate(Scenario::SpeakerUpdate(2)));
    world.wait(Duration::from_secs(3));
    assert_eq!(world.count(7, |r| matches!(r, Response::Speakers(_))), 2);
    let spoke = |active| move |r: &Response| matches!(r, Response::Speakers(s) if s[0].active == active);
    assert_eq!((world.count(1, spoke(true)), world.count(1, spoke(false))), (1, 1), "the others are told, too");
    world.request(7, Request::Simulate(Scenario::NodeFailure));
    assert!(world.leaves(7).is_empty() && world.hung_up.contains(&7));
    resume(&mut world, 7, 5, &sid);
    assert_eq!(world.leaves(5), [(Reason::StateMismatch, LeaveAction::Reconnect)]);
}

#[test]
fn a_client_that_switches_to_tcp_is_told_of_nothing_else_and_neither_is_who_comes_after_it() {
    const UDP: &str = "a=candidate:1 1 udp 2130706175 127.0.0.1 7882 typ host\r\n";
    const TCP: &str = "a=candidate:2 1 tcp 1671430143 127.0.0.1 7881 typ host tcptype passive\r\n";
    // What stands for the media thread repeats the candidates of the offer.
    let offered = |world: &mut World, connection: u64| {
        world.forget_said();
        let offer = world.clients.get_mut(&connection).unwrap().offer();
        world.request(connection, Request::Offer(Description { sdp: offer.sdp + UDP + TCP, ..offer }));
        let answer = world.said(connection).iter().find_map(|told| match told {
            Response::Answer { description, .. } => Some(description.sdp.clone()),
            _ => None,
        });
        let answer = answer.unwrap();
        (answer.contains(UDP), answer.contains(TCP))
    };
    let mut world = World::default();
    world.join(1, "ann");
    world.join(2, "bob");
    assert_eq!(offered(&mut world, 2), (true, true));
    world.request(2, Request::Simulate(Scenario::TcpAlone(true)));
    assert_eq!(offered(&mut world, 2), (false, true));
    assert_eq!(offered(&mut world, 1), (true, true));
    world.join(3, "bob");
    assert_eq!(offered(&mut world, 3), (false, true));
    world.request(3, Request::Simulate(Scenario::TcpAlone(false)));
    assert_eq!(offered(&mut world, 3), (true, true));
    world.join(4, "bob");
    assert_eq!(offered(&mut world, 4), (true, true));
}
