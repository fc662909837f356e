//! Clients with two connections.

use crate::world::World;
use std::time::Duration;
use trunkline_call::media::peer::{PeerFact, PeerKey, PeerPlan, Side};
use trunkline_room::{
    State, TrackKind,
    signal::{Connect, Description, LeaveAction, Request, Response, Transports},
};
use trunkline_types::DisconnectReason as Reason;

fn join(world: &mut World, connection: u64, identity: &str) {
    let connect = Connect { transports: Transports::Dual, ..world.connect(identity) };
    world.join_with(connection, connect).unwrap().unwrap();
}

#[test]
fn we_offer_at_once_and_the_subscriber_side_makes_it_active() {
    let mut world = World::default();
    join(&mut world, 1, "ann");
    assert_eq!(world.order, ["Reply Done", "1 Join", "1 RefreshToken", "MakeOffer", "1 Offer", "Answer"]);
    let Response::Join(joined) = &world.said(1)[0] else { panic!("no join") };
    assert!(joined.subscriber_primary);
    world.offer(1);
    let peer = world.peer(1);
    world.tell(PeerFact::Connected { peer });
    assert_eq!(world.participants()[0].state, State::Joined, "the publisher side is not the primary one");
    world.up(1);
    assert_eq!(world.participants()[0].state, State::Active);
}

#[test]
fn who_may_not_subscribe_has_the_publisher_side_as_primary() {
    let mut world = World::default();
    let mut connect = Connect { transports: Transports::Dual, ..world.connect("ann") };
    connect.join.permission.can_subscribe = false;
    world.join_with(1, connect).unwrap().unwrap();
    let Response::Join(joined) = &world.said(1)[0] else { panic!("no join") };
    assert!(!joined.subscriber_primary);
    let peer = world.peer(1);
    world.tell(PeerFact::Connected { peer });
    assert_eq!(world.participants()[0].state, State::Active);
}

#[test]
fn tracks_come_and_go_with_offers_of_ours_one_at_a_time() {
    let mut world = World::default();
    for (connection, identity) in [(1, "ann"), (2, "bob")] {
        join(&mut world, connection, identity);
        world.up(connection);
    }
    world.forget_said();
    let first = world.publish(1, "mic", TrackKind::Audio);
    assert_eq!(world.clients[&2].hears.values().collect::<Vec<_>>(), [&first]);
    assert_eq!(world.count(1, |r| *r == Response::TrackSubscribed(first.clone())), 1);
    let subscribed = |w: &World| w.plans.iter().filter(|p| matches!(p, PeerPlan::Subscribe { .. })).count();
    assert_eq!(subscribed(&world), 1);
    world.clients.get_mut(&2).unwrap().deaf = true;
    let second = world.publish(1, "cam", TrackKind::Video);
    world.publish(1, "screen", TrackKind::Video);
    assert_eq!(world.count(2, |r| matches!(r, Response::Offer { .. })), 2, "the third waits for the answer");
    assert_eq!(subscribed(&world), 1, "nothing is sent before the answer");
    let Some(Response::Offer { description, tracks_by_mid }) =
        world.said(2).iter().rfind(|r| matches!(r, Response::Offer { .. })).cloned()
    else {
        panic!("no offer")
    };
    assert!(tracks_by_mid.values().any(|t| *t == second) && tracks_by_mid.len() == 2);
    let answer = |id| Request::Answer(Description { sdp: description.sdp.clone(), id });
    world.request(2, answer(description.id + 7));
    assert_eq!(subscribed(&world), 1, "an answer to another offer");
    world.clients.get_mut(&2).unwrap().deaf = false;
    world.request(2, answer(description.id));
    assert_eq!((subscribed(&world), world.clients[&2].hears.len()), (3, 3));
    world.clients.get_mut(&1).unwrap().parts[0].inactive = true;
    world.offer(1);
    assert_eq!(world.clients[&2].hears.len(), 2);
}

#[test]
fn a_client_that_does_not_answer_has_to_join_anew() {
    let mut world = World::default();
    join(&mut world, 1, "ann");
    world.up(1);
    join(&mut world, 2, "bob");
    world.up(2);
    world.clients.get_mut(&2).unwrap().deaf = true;
    world.publish(1, "mic", TrackKind::Audio);
    world.wait(Duration::from_secs(16));
    assert_eq!(world.leaves(2), [(Reason::StateMismatch, LeaveAction::Reconnect)]);
}

#[test]
fn a_resumed_one_gets_the_offer_it_missed_and_then_one_with_new_ice_credentials() {
    let mut world = World::default();
    join(&mut world, 1, "ann");
    world.up(1);
    join(&mut world, 2, "bob");
    let sid = world.up(2);
    world.clients.get_mut(&2).unwrap().deaf = true;
    world.publish(1, "mic", TrackKind::Audio);
    world.give(trunkline_exchange::Input::SignalClosed(2));
    world.forget_said();
    let client = world.clients.remove(&2).unwrap();
    world.clients.insert(3, crate::world::Client { deaf: false, ..client });
    let resume = Connect { resume: Some(sid.clone()), transports: Transports::Dual, ..world.connect("bob") };
    world.ask(trunkline_exchange::command::Command::Connect(3, Box::new(resume))).unwrap().unwrap();
    assert_eq!(world.words(3)[..3], ["Reconnect", "Update", "RoomUpdate"]);
    assert_eq!(world.count(3, |r| matches!(r, Response::Offer { .. })), 2);
    let peer = PeerKey { participant: sid, side: Side::Subscriber };
    let restarts = world.plans.iter().filter_map(|p| match p {
        PeerPlan::MakeOffer { peer: p, restart_ice, .. } if *p == peer => Some(*restart_ice),
        _ => None,
    });
    assert_eq!(restarts.collect::<Vec<_>>(), [true]);
    assert_eq!(world.clients[&3].hears.len(), 1);
}
