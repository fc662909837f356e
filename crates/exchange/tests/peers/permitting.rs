//! Whom publishers let hear and see their tracks.

use crate::world::{ROOM, World};
use trunkline_call::media::peer::PeerPlan;
use trunkline_exchange::{Input, command::Command};
use trunkline_room::{
    TrackKind,
    signal::{Connect, Outcome, Request, Response, TrackPermission, Transports},
};
use trunkline_types::TrackSid;

fn permit(everybody: bool, listed: Vec<TrackPermission>) -> Request {
    Request::SubscriptionPermission { everybody, listed }
}

fn all_tracks(identity: &str) -> TrackPermission {
    TrackPermission { identity: identity.into(), all_tracks: true, ..TrackPermission::default() }
}

fn these(identity: &str, tracks: &[&TrackSid]) -> TrackPermission {
    let tracks = tracks.iter().map(|t| (*t).clone()).collect();
    TrackPermission { identity: identity.into(), tracks, ..TrackPermission::default() }
}

/// What a connection was told it may subscribe to, in order.
fn told(world: &World, connection: u64) -> Vec<(TrackSid, bool)> {
    let update = |r: &Response| match r {
        Response::SubscriptionPermission { track, allowed, .. } => Some((track.clone(), *allowed)),
        _ => None,
    };
    world.said(connection).iter().filter_map(update).collect()
}

fn hears(world: &World, connection: u64) -> Vec<TrackSid> {
    let mut all: Vec<_> = world.clients[&connection].hears.values().cloned().collect();
    all.sort();
    all
}

#[test]
fn who_is_not_listed_hears_nothing_now_and_later() {
    let mut world = World::default();
    let ann = world.join(1, "ann");
    world.join(2, "bob");
    world.join(3, "cat");
    let mic = world.publish(1, "mic", TrackKind::Audio);
    world.forget_said();
    world.request(1, permit(false, vec![all_tracks("bob")]));
    assert_eq!((hears(&world, 2), hears(&world, 3)), (vec![mic.clone()], vec![]));
    assert!(told(&world, 1).is_empty() && told(&world, 2).is_empty());
    let (participant, track) = (ann, mic.clone());
    let first = world.said(3).iter().find(|r| matches!(r, Response::SubscriptionPermission { .. }));
    assert_eq!(first, Some(&Response::SubscriptionPermission { participant, track, allowed: false }));
    assert!(world.plans.iter().any(|p| matches!(p, PeerPlan::Unsubscribe { peer, .. } if *peer == world.peer(3))));

    // Neither a wish of one's own nor the API's goes past the publisher.
    world.request(3, Request::UpdateSubscription { tracks: vec![mic.clone()], subscribe: true });
    let (room, identity, tracks) = (ROOM.to_owned(), "cat".to_owned(), vec![mic.clone()]);
    world.ask(Command::UpdateSubscriptions { room, identity, tracks, subscribe: true }).unwrap().unwrap();
    assert!(hears(&world, 3).is_empty());

    // Later tracks and later participants are covered, and the track is shown before it is barred.
    let cam = world.publish(1, "cam", TrackKind::Video);
    assert_eq!(told(&world, 3), [(mic.clone(), false), (cam.clone(), false)]);
    let shown = world.said(3).iter().position(|r| format!("{r:?}").contains(cam.as_str())).expect("shown");
    let barred = |r: &Response| matches!(r, Response::SubscriptionPermission { track, .. } if *track == cam);
    assert!(shown < world.said(3).iter().position(barred).expect("barred"));
    world.join(4, "dan");
    assert_eq!((told(&world, 4).len(), hears(&world, 4)), (2, vec![]));

    world.forget_said();
    world.request(1, permit(true, Vec::new()));
    let mut both = vec![mic, cam];
    both.sort();
    assert_eq!((hears(&world, 3), hears(&world, 4)), (both.clone(), both.clone()));
    let allowed: Vec<_> = both.into_iter().map(|t| (t, true)).collect();
    assert_eq!((told(&world, 3), told(&world, 4), told(&world, 2)), (allowed.clone(), allowed, vec![]));
}

#[test]
fn a_list_names_tracks_and_participants_in_both_ways() {
    for transports in [Transports::Single, Transports::Dual] {
        let mut world = World::default();
        world.join(1, "ann");
        let connect = Connect { transports, ..world.connect("bob") };
        world.join_with(2, connect).unwrap().unwrap();
        let bob = world.up(2);
        let mic = world.publish(1, "mic", TrackKind::Audio);
        let cam = world.publish(1, "cam", TrackKind::Video);
        world.request(1, permit(false, vec![these("bob", &[&cam])]));
        assert_eq!(hears(&world, 2), std::slice::from_ref(&cam));
        let by_sid = |tracks: Vec<TrackSid>| TrackPermission { participant: bob.clone(), tracks, ..Default::default() };
        world.request(1, permit(false, vec![by_sid(vec![mic.clone()])]));
        assert_eq!(hears(&world, 2), std::slice::from_ref(&mic));
        // Whoever is named by two names is not let in; nor is nobody, or a sid nobody has.
        let two = TrackPermission { identity: "cat".into(), all_tracks: true, ..by_sid(Vec::new()) };
        let nobody = TrackPermission { all_tracks: true, ..TrackPermission::default() };
        let gone = TrackPermission { participant: "PA_gone".into(), ..nobody.clone() };
        world.request(1, permit(false, vec![two, nobody, gone]));
        assert!(hears(&world, 2).is_empty());
        world.request(1, permit(false, vec![these("bob", &[&"TR_none".into(), &mic])]));
        assert_eq!(hears(&world, 2), [mic]);
    }
}

#[test]
fn what_is_said_of_a_track_goes_with_it() {
    let mut world = World::default();
    world.join(1, "ann");
    world.join(2, "bob");
    let mic = world.publish(1, "mic", TrackKind::Audio);
    world.request(1, permit(false, Vec::new()));
    assert_eq!(told(&world, 2), [(mic, false)]);
    let client = world.clients.get_mut(&1).expect("ann");
    client.parts.last_mut().expect("the microphone").inactive = true;
    world.offer(1);
    world.forget_said();
    world.request(1, permit(true, Vec::new()));
    assert!(told(&world, 2).is_empty(), "nothing is said of a track that is gone");
    let again = world.publish(1, "mic2", TrackKind::Audio);
    assert_eq!(hears(&world, 2), [again]);
}

#[test]
fn a_resumed_client_is_told_again() {
    let mut world = World::default();
    world.join(1, "ann");
    let bob = world.join(2, "bob");
    let mic = world.publish(1, "mic", TrackKind::Audio);
    world.request(1, permit(false, Vec::new()));
    world.give(Input::SignalClosed(2));
    let mut client = world.clients.remove(&2).expect("bob");
    let connect = Connect { resume: Some(bob), offer: Some(client.offer()), ..world.connect("bob") };
    world.clients.insert(3, client);
    world.ask(Command::Connect(3, Box::new(connect))).unwrap().unwrap();
    assert_eq!(told(&world, 3), [(mic.clone(), false)]);
    world.request(1, permit(true, Vec::new()));
    assert_eq!(told(&world, 3), [(mic.clone(), false), (mic, true)]);
}

#[test]
fn lists_are_bounded() {
    let mut world = World::default();
    world.join(1, "ann");
    world.join(2, "bob");
    world.publish(1, "mic", TrackKind::Audio);
    world.forget_said();
    let mut listed: Vec<_> = (0..1024).map(|n| all_tracks(&format!("p{n}"))).collect();
    listed.push(all_tracks("bob"));
    world.request(1, permit(false, listed.clone()));
    let refused = |r: &Response| matches!(r, Response::RequestResponse { outcome: Outcome::LimitExceeded, .. });
    assert_eq!((world.count(1, refused), hears(&world, 2)), (1, vec![]));
    listed.remove(0);
    world.request(1, permit(false, listed));
    assert_eq!((world.count(1, refused), hears(&world, 2).len()), (1, 1));
}
