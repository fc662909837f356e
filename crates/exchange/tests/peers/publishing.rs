//! What clients publish.

use crate::world::{ROOM, World};
use trunkline_call::media::MediaPlan;
use trunkline_call::media::peer::{PeerPlan, TrackOrigin};
use trunkline_exchange::command::{Code, Command, Reply};
use trunkline_room::{
    ParticipantPatch, Permission, RoomSettings, TrackKind,
    signal::{About, Outcome, Request, Response},
    worker::AgentRequest,
};

#[test]
fn announcement_and_offer_may_come_in_either_order() {
    for announced_first in [true, false] {
        let mut world = World::default();
        world.join(1, "ann");
        world.join(2, "bob");
        world.forget_said();
        if announced_first {
            world.add_track(1, "cid", TrackKind::Audio);
            assert_eq!(world.words(1), ["TrackPublished"], "at once");
            world.offer_track(1, "cid", TrackKind::Audio);
        } else {
            world.offer_track(1, "cid", TrackKind::Audio);
            assert_eq!(world.words(1), ["Answer"]);
            world.add_track(1, "cid", TrackKind::Audio);
        }
        let info = world.shown(2, "ann").pop().unwrap();
        let track = &info.tracks[0];
        assert_eq!((track.mid.as_str(), track.mime_type.as_str(), info.is_publisher), ("6", "audio/opus", true));
        assert!(track.sid.as_str().starts_with("TR_AM"));
        assert!(world.webhooks.contains(&("track_published", "ann".into())));
        let origin = world.plans.iter().find_map(|p| match p {
            PeerPlan::Publish { track: t, origin: TrackOrigin::Peer { peer, mid, .. }, .. } if *t == track.sid => {
                Some((peer.clone(), mid.clone()))
            }
            _ => None,
        });
        assert_eq!(origin, Some((world.peer(1), "6".to_owned())));
        assert_eq!(world.clients[&2].hears.values().next(), Some(&track.sid));
        let update = world.order.iter().position(|w| w == "2 Update").unwrap();
        assert!(update < world.order.iter().position(|w| w == "2 Answer").unwrap(), "known before it is heard");
    }
}

#[test]
fn a_section_without_a_known_id_is_the_oldest_announced_track_of_its_kind() {
    let mut world = World::default();
    world.join(1, "ann");
    world.add_track(1, "cam", TrackKind::Video);
    world.add_track(1, "first", TrackKind::Audio);
    world.add_track(1, "second", TrackKind::Audio);
    world.offer_track(1, "who knows", TrackKind::Audio);
    let tracks = world.participants().remove(0).tracks;
    assert_eq!(tracks.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["first"]);
}

#[test]
fn a_track_ends_with_its_section() {
    let mut world = World::default();
    world.join(1, "ann");
    world.join(2, "bob");
    let track = world.publish(1, "cid", TrackKind::Audio);
    world.forget_said();
    world.clients.get_mut(&1).unwrap().parts[6].inactive = true;
    world.offer(1);
    assert!(world.shown(2, "ann").last().unwrap().tracks.is_empty());
    assert!(world.webhooks.contains(&("track_unpublished", "ann".into())));
    assert!(world.plans.iter().any(|p| matches!(p, PeerPlan::Unpublish { track: t, .. } if *t == track)));
    assert!(world.clients[&2].hears.is_empty(), "the section was taken back");
    let again = world.publish(1, "cid2", TrackKind::Audio);
    assert_eq!(world.clients[&2].hears.get("0"), Some(&again), "and is used again");
}

#[test]
fn what_may_not_be_published_is_refused_and_what_was_is_taken_back() {
    let mut world = World::default();
    world.join(1, "ann");
    world.join(2, "bob");
    let track = world.publish(1, "mic", TrackKind::Audio);
    let permission = Permission { can_publish_sources: 1 << 1, ..Permission::default() };
    let patch = ParticipantPatch { permission: Some(permission), ..ParticipantPatch::default() };
    world.forget_said();
    world.ask(Command::UpdateParticipant { room: ROOM.into(), identity: "ann".into(), patch }).unwrap().unwrap();
    assert!(world.said(1).contains(&Response::TrackUnpublished(track)));
    assert!(world.words(1).contains(&"RefreshToken".to_owned()));
    assert!(world.clients[&2].hears.is_empty());
    world.add_track(1, "mic2", TrackKind::Audio);
    let Some(Response::RequestResponse { outcome: Outcome::NotAllowed, about: About::AddTrack(add), .. }) =
        world.said(1).last()
    else {
        panic!("{:?}", world.said(1).last())
    };
    assert_eq!(add.cid, "mic2");
    assert!(world.lines.iter().any(|l| l.contains("permission")));
    world.add_track(1, "cam", TrackKind::Video);
    assert!(world.clients[&1].own.contains_key("cam"));
}

#[test]
fn muting() {
    let mut world = World::default();
    world.join(1, "ann");
    world.join(2, "bob");
    let track = world.publish(1, "mic", TrackKind::Audio);
    let mute = |track: &_, identity: &str, muted| Command::MutePublishedTrack {
        room: ROOM.into(),
        identity: identity.into(),
        track: Clone::clone(track),
        muted,
    };
    world.request(1, Request::Mute { track: track.clone(), muted: true });
    assert!(world.shown(2, "ann").last().unwrap().tracks[0].muted);
    assert!(world.plans.iter().any(|p| matches!(p, PeerPlan::MuteTrack { muted: true, .. })));
    let error = world.ask(mute(&track, "ann", false)).unwrap().unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (Code::FailedPrecondition, "remote unmute not enabled"));
    world.request(1, Request::Mute { track: track.clone(), muted: false });
    world.forget_said();
    let Some(Ok(Reply::Track(info))) = world.ask(mute(&track, "ann", true)) else { panic!("no track") };
    assert!(info.muted);
    assert_eq!(world.said(1)[0], Response::Mute { track: track.clone(), muted: true });
    let error = world.ask(mute(&"TR_none".into(), "ann", true)).unwrap().unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (Code::NotFound, "track is not found"));
    world.request(2, Request::Mute { track, muted: false });
    assert!(world.participants()[0].tracks[0].muted, "nobody unmutes somebody else");
}

#[test]
fn a_built_in_participant_is_seen_heard_and_speaks_to_a_client() {
    let mut world = World::default();
    let settings =
        RoomSettings { agents: vec![AgentRequest::named("trunkline.greeter", "")], ..RoomSettings::default() };
    let connect = trunkline_room::signal::Connect { settings, ..world.connect("ann") };
    world.join_with(1, connect).unwrap().unwrap();
    let spoke = |w: &World| w.media.iter().any(|p| matches!(p, MediaPlan::PlayBuiltin { .. }));
    assert!(!spoke(&world), "nobody listens yet");
    world.up(1);
    assert_eq!(world.clients[&1].hears.len(), 1);
    assert!(spoke(&world));
    assert!(world.plans.iter().any(|p| matches!(p, PeerPlan::Publish { origin: TrackOrigin::Builtin(_), .. })));
}
