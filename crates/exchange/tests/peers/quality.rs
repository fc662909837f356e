//! How good connections are, as clients are told.

use crate::world::World;
use std::time::Duration;
use trunkline_call::media::peer::{PeerFact, PeerPlan, Reception};
use trunkline_room::{
    TrackKind,
    signal::{Quality, Response},
};
use trunkline_types::{ParticipantSid, RoomSid, TrackSid};

fn room(world: &World) -> RoomSid {
    let published = world.plans.iter().find_map(|p| match p {
        PeerPlan::Publish { room, .. } => Some(room.clone()),
        _ => None,
    });
    published.expect("something is published")
}

fn report(world: &mut World, room: &RoomSid, tracks: Vec<(TrackSid, Reception)>) {
    world.said.clear();
    world.tell(PeerFact::Received { room: room.clone(), tracks });
}

fn told(world: &World, connection: u64) -> Vec<(ParticipantSid, Quality)> {
    match world.said(connection) {
        [] => Vec::new(),
        [Response::ConnectionQuality(all)] => all.clone(),
        other => panic!("{other:?}"),
    }
}

fn reception(received: u64, jitter: u64) -> Reception {
    Reception { expected: 250, received, jitter: Duration::from_millis(jitter) }
}

#[test]
fn changes_are_told_and_newcomers_learn_everything() {
    let mut world = World::default();
    let ann = world.join(1, "ann");
    let bob = world.join(2, "bob");
    let mic = world.publish(1, "mic", TrackKind::Audio);
    let cam = world.publish(1, "cam", TrackKind::Video);
    let room = room(&world);
    report(&mut world, &room, vec![(mic.clone(), reception(250, 5)), (cam.clone(), reception(250, 5))]);
    let mut all = vec![(ann.clone(), Quality::Excellent), (bob, Quality::Excellent)];
    all.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!((told(&world, 1), told(&world, 2)), (all.clone(), all));
    for (tracks, wanted) in [
        (vec![(mic.clone(), reception(249, 49))], None),
        (vec![(mic.clone(), reception(242, 5))], Some(Quality::Good)),
        (vec![(mic.clone(), reception(250, 50))], None),
        (vec![(mic.clone(), reception(250, 5)), (cam.clone(), reception(225, 5))], Some(Quality::Poor)),
        (vec![(mic.clone(), reception(250, 150))], None),
        (vec![(mic.clone(), Reception { expected: 9, received: 1, jitter: Duration::ZERO })], Some(Quality::Excellent)),
        (vec![("TR_none".into(), reception(0, 5)), (mic.clone(), Reception::default())], None),
        (
            vec![(mic.clone(), Reception { expected: u64::MAX, received: 0, jitter: Duration::MAX })],
            Some(Quality::Poor),
        ),
    ] {
        report(&mut world, &room, tracks.clone());
        let wanted: Vec<_> = wanted.into_iter().map(|q| (ann.clone(), q)).collect();
        assert_eq!((told(&world, 1), told(&world, 2)), (wanted.clone(), wanted), "{tracks:?}");
    }
    let cat = world.join(3, "cat");
    report(&mut world, &room, vec![(mic, reception(0, 5))]);
    assert_eq!((told(&world, 1), told(&world, 3).len()), (vec![(cat, Quality::Excellent)], 3));
}

#[test]
fn a_silent_connection_is_lost_for_the_others() {
    let mut world = World::default();
    let ann = world.join(1, "ann");
    world.join(2, "bob");
    let mic = world.publish(1, "mic", TrackKind::Audio);
    let room = room(&world);
    report(&mut world, &room, vec![(mic.clone(), reception(250, 5))]);
    let peer = world.peer(1);
    world.tell(PeerFact::Lost { peer });
    report(&mut world, &room, vec![(mic.clone(), Reception::default())]);
    assert_eq!((told(&world, 1), told(&world, 2)), (vec![], vec![(ann, Quality::Lost)]));
    let unknown = RoomSid::from("RM_none");
    report(&mut world, &unknown, vec![(mic, reception(0, 5))]);
    assert!(world.said.is_empty());
}
