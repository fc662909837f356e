//! Tracks change while they are published, and requests about tracks are counted.

use crate::world::World;
use std::time::Duration;
use trunkline_call::media::peer::PeerPlan;
use trunkline_room::{
    TrackKind,
    signal::{About, Outcome, Request, Response, TrackChange},
};
use trunkline_types::TrackSid;

fn update(track: &TrackSid, change: TrackChange) -> Request {
    Request::UpdateTrack { track: track.clone(), change }
}

#[test]
fn everybody_sees_what_has_become_of_a_track() {
    let mut world = World::default();
    world.join(1, "ann");
    world.join(2, "bob");
    let mic = world.publish(1, "mic", TrackKind::Audio);
    let cam = world.publish(1, "cam", TrackKind::Video);
    world.forget_said();
    world.request(1, update(&mic, TrackChange::Audio { features: vec![1, 5, 5, 0] }));
    world.request(1, update(&cam, TrackChange::Video { width: 640, height: 360 }));
    for connection in [1, 2] {
        let seen = world.shown(connection, "ann").pop().expect("shown");
        let held = |sid: &TrackSid| seen.tracks.iter().find(|t| t.sid == *sid).cloned().expect("there");
        let (mic, cam) = (held(&mic), held(&cam));
        assert_eq!((mic.audio_features, mic.stereo, mic.disable_dtx), (vec![1, 5, 0], true, true));
        assert_eq!((cam.width, cam.height), (640, 360));
        assert_eq!(world.words(connection), ["Update", "Update"], "only a refusal is answered");
    }
    assert!(!world.plans.iter().any(|p| matches!(p, PeerPlan::MuteTrack { .. })));
    world.forget_said();
    world.request(1, update(&cam, TrackChange::Video { width: 640, height: 360 }));
    assert!(world.said(1).is_empty() && world.said(2).is_empty(), "it is so already");
}

#[test]
fn a_track_may_change_before_it_is_sent() {
    let mut world = World::default();
    world.join(1, "ann");
    world.join(2, "bob");
    world.add_track(1, "cam", TrackKind::Video);
    let cam = world.clients[&1].own["cam"].clone();
    world.request(1, update(&cam, TrackChange::Video { width: 16_384, height: 1 }));
    world.offer_track(1, "cam", TrackKind::Video);
    let seen = world.shown(2, "ann").pop().expect("shown");
    assert_eq!((seen.tracks[0].width, seen.tracks[0].height), (16_384, 1));
}

#[test]
fn what_cannot_be_is_refused() {
    let mut world = World::default();
    world.join(1, "ann");
    world.join(2, "bob");
    let mic = world.publish(1, "mic", TrackKind::Audio);
    let cam = world.publish(1, "cam", TrackKind::Video);
    world.forget_said();
    let audio = |count| TrackChange::Audio { features: (0..count).collect() };
    let video = |width| TrackChange::Video { width, height: 1 };
    for (connection, track, change, wanted) in [
        (2, &mic, audio(1), Outcome::NotFound),
        (1, &"TR_none".into(), audio(1), Outcome::NotFound),
        (1, &cam, audio(1), Outcome::UnsupportedType),
        (1, &mic, video(1), Outcome::UnsupportedType),
        (1, &mic, audio(17), Outcome::LimitExceeded),
        (1, &cam, video(16_385), Outcome::LimitExceeded),
    ] {
        world.request(connection, update(track, change.clone()));
        let said = world.said.remove(&connection).unwrap_or_default();
        let [Response::RequestResponse { outcome, about, .. }] = &said[..] else { panic!("{change:?}: {said:?}") };
        assert_eq!((*outcome, about), (wanted, &About::UpdateTrack(track.clone(), change)));
        assert!(world.said.is_empty());
    }
}

#[test]
fn who_asks_too_often_is_told_once_and_not_served() {
    let mut world = World::default();
    world.join(1, "ann");
    world.join(2, "bob");
    let mic = world.publish(1, "mic", TrackKind::Audio);
    world.wait(Duration::from_secs(2));
    world.hasty = true;
    world.forget_said();
    for n in 0..302 {
        world.request(2, Request::UpdateTrackSettings { tracks: vec![mic.clone()], disabled: n % 2 == 0 });
    }
    let forwarding = |w: &World| {
        w.plans.iter().filter(|p| matches!(p, PeerPlan::Subscribe { .. } | PeerPlan::Unsubscribe { .. })).count()
    };
    assert_eq!((forwarding(&world), world.words(2)), (300, vec!["RequestResponse".to_owned()]));
    assert!(matches!(world.said(2)[0], Response::RequestResponse { outcome: Outcome::LimitExceeded, .. }));
    world.wait(Duration::from_secs(1));
    world.request(2, Request::UpdateTrackSettings { tracks: vec![mic], disabled: true });
    assert_eq!(forwarding(&world), 301);
}
