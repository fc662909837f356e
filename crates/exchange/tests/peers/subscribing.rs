//! Who hears whom.

use crate::world::{ROOM, World};
use std::time::Duration;
use trunkline_call::media::peer::{PeerFact, PeerPlan};
use trunkline_exchange::command::Command;
use trunkline_room::{
    ParticipantPatch, Permission, TrackKind,
    signal::{Request, Response},
};

#[test]
fn eight_publish_to_eight_at_once_and_everybody_hears_everybody() {
    let mut world = World::default();
    world.hasty = true;
    for n in 1..=8 {
        let connect = world.connect(&format!("p{n}"));
        world.join_with(n, connect).unwrap().unwrap();
    }
    for n in 1..=8 {
        world.add_track(n, &format!("mic{n}"), TrackKind::Audio);
        world.add_track(n, &format!("cam{n}"), TrackKind::Video);
    }
    for n in 1..=8 {
        world.offer_track(n, &format!("mic{n}"), TrackKind::Audio);
        world.up(n);
        world.offer_track(n, &format!("cam{n}"), TrackKind::Video);
    }
    world.wait(Duration::from_millis(2500));
    for n in 1..=8 {
        let mut hears: Vec<_> = world.clients[&n].hears.values().cloned().collect();
        let mut wanted: Vec<_> =
            (1..=8).filter(|m| *m != n).flat_map(|m| world.clients[&m].own.values().cloned()).collect();
        hears.sort();
        wanted.sort();
        assert_eq!(hears, wanted, "client {n}");
        let sections = world.clients[&n].parts.len();
        assert!(sections <= 2 + 14, "no more sections than needed: {sections}");
        let own: Vec<_> = world.clients[&n].own.values().collect();
        for track in own {
            let told = world.count(n, |r| *r == Response::TrackSubscribed(track.clone()));
            assert_eq!(told, 1, "its publisher is told once");
        }
    }
    let subscribed = world.plans.iter().filter(|p| matches!(p, PeerPlan::Subscribe { .. })).count();
    assert_eq!(subscribed, 8 * 14);
    world.wait(Duration::from_secs(5));
    assert!(!world.lines.iter().any(|l| l.contains("subscription")), "{:?}", world.lines);
}

#[test]
fn a_client_that_does_not_offer_is_asked_again_and_the_log_says_so() {
    let mut world = World::default();
    world.join(1, "ann");
    world.join(2, "bob");
    world.clients.get_mut(&2).unwrap().deaf = true;
    world.publish(1, "mic", TrackKind::Audio);
    let asked = |w: &World| w.count(2, |r| *r == Response::MediaSections { audios: 0, videos: 0 });
    assert_eq!(asked(&world), 1);
    world.publish(1, "mic2", TrackKind::Audio);
    assert_eq!(asked(&world), 1, "one at a time");
    world.wait(Duration::from_millis(1000));
    assert_eq!(asked(&world), 2);
    assert!(world.lines.is_empty());
    world.wait(Duration::from_secs(3));
    assert_eq!(world.lines.iter().filter(|l| l.contains("subscription")).count(), 2, "one for each");
    world.clients.get_mut(&2).unwrap().deaf = false;
    world.wait(Duration::from_secs(10));
    assert_eq!(world.clients[&2].hears.len(), 2);
    let before = asked(&world);
    world.wait(Duration::from_secs(60));
    assert_eq!(asked(&world), before, "nothing more to ask");
}

#[test]
fn without_auto_subscribe_a_client_hears_what_it_asks_for() {
    let mut world = World::default();
    world.join(1, "ann");
    let track = world.publish(1, "mic", TrackKind::Audio);
    let connect = trunkline_room::signal::Connect { auto_subscribe: false, ..world.connect("bob") };
    world.join_with(2, connect).unwrap().unwrap();
    world.up(2);
    assert!(world.clients[&2].hears.is_empty());
    world.request(2, Request::UpdateSubscription { tracks: vec![track.clone()], subscribe: true });
    assert_eq!(world.clients[&2].hears.len(), 1);
    world.request(2, Request::UpdateSubscription { tracks: vec![track.clone()], subscribe: false });
    assert!(world.clients[&2].hears.is_empty());
    let (room, identity, tracks) = (ROOM.to_owned(), "bob".to_owned(), vec![track]);
    world.ask(Command::UpdateSubscriptions { room, identity, tracks, subscribe: true }).unwrap().unwrap();
    assert_eq!(world.clients[&2].hears.len(), 1);
    world.request(2, Request::UpdateSubscription { tracks: vec!["TR_no".into()], subscribe: true });
    let failed = Response::SubscriptionFailed { track: "TR_no".into(), codec: false };
    assert_eq!(world.said(2).last(), Some(&failed));
}

#[test]
fn pausing_a_track_concerns_media_alone() {
    let mut world = World::default();
    world.join(1, "ann");
    world.join(2, "bob");
    let track = world.publish(1, "cam", TrackKind::Video);
    world.forget_said();
    for disabled in [true, false] {
        world.request(2, Request::UpdateTrackSettings { tracks: vec![track.clone()], disabled });
    }
    assert_eq!(world.order, ["Unsubscribe", "Subscribe"]);
    assert!(world.said(2).is_empty());
}

#[test]
fn who_may_not_subscribe_any_more_hears_nothing() {
    let mut world = World::default();
    world.join(1, "ann");
    world.join(2, "bob");
    world.publish(1, "mic", TrackKind::Audio);
    let mut set = |can_subscribe| {
        let permission = Some(Permission { can_subscribe, ..Permission::default() });
        let patch = ParticipantPatch { permission, ..ParticipantPatch::default() };
        world.ask(Command::UpdateParticipant { room: ROOM.into(), identity: "bob".into(), patch }).unwrap().unwrap();
        world.clients[&2].hears.len()
    };
    assert_eq!((set(false), set(true)), (0, 1));
}

#[test]
fn speakers_are_told_when_they_change() {
    let mut world = World::default();
    world.join(1, "ann");
    let track = world.publish(1, "mic", TrackKind::Audio);
    let PeerPlan::Publish { room, .. } =
        world.plans.iter().find(|p| matches!(p, PeerPlan::Publish { .. })).unwrap().clone()
    else {
        panic!("nothing published")
    };
    world.forget_said();
    let mut speak = |levels: &[f32]| {
        let levels = levels.iter().map(|l| (track.clone(), *l)).collect();
        world.tell(PeerFact::Speaking { room: room.clone(), levels });
        match world.said.remove(&1).as_deref() {
            None => Vec::new(),
            Some([Response::Speakers(speakers)]) => speakers.iter().map(|s| (s.level, s.active)).collect(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(speak(&[0.5]), [(0.5, true)]);
    assert_eq!(speak(&[0.49]), []);
    assert_eq!(speak(&[f32::NAN, 7.0]), [(1.0, true)]);
    assert_eq!(speak(&[]), [(0.0, false)]);
    assert_eq!(speak(&[f32::NAN, f32::INFINITY]), []);
}

#[test]
fn the_first_answer_says_what_there_is_to_hear() {
    let mut world = World::default();
    world.join(1, "ann");
    let track = world.publish(1, "mic", TrackKind::Audio);
    let connect = world.connect("bob");
    world.join_with(2, connect).unwrap().unwrap();
    let answers = |world: &World| -> Vec<_> {
        let named = |said: &Response| match said {
            Response::Answer { tracks_by_mid, .. } => Some(tracks_by_mid.values().cloned().collect::<Vec<_>>()),
            _ => None,
        };
        world.said(2).iter().filter_map(named).collect()
    };
    assert_eq!(answers(&world), [vec![track]]);
    let forwarded = |world: &World| world.plans.iter().any(|plan| matches!(plan, PeerPlan::Subscribe { .. }));
    assert!(!forwarded(&world), "its media is not up yet");
    world.up(2);
    assert!(forwarded(&world));
    assert_eq!(answers(&world).len(), 1, "no further offer was needed");
}
