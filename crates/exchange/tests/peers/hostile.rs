//! Nothing a client says or a thread reports disturbs anybody else.

use crate::world::{ROOM, World};
use std::time::Duration;
use trunkline_call::media::peer::{PeerFact, PeerKey, PeerPlan, Reception, Side};
use trunkline_exchange::{Input, command::Command};
use trunkline_room::{
    ParticipantPatch, TrackInfo, TrackKind,
    signal::{AddTrack, Description, LeaveAction, Request, Scenario, SyncState, TrackChange, TrackPermission},
};
use trunkline_types::{DisconnectReason as Reason, Random, RoomSid, TrackSid};

#[test]
fn too_many_sections_or_bytes_cost_the_session_alone() {
    for sdp in ["m=audio 9 X 1\r\na=mid:".repeat(99), " ".repeat(300_000), "m=audio 9 X 1\r\n".into()] {
        let mut world = World::default();
        world.join(1, "ann");
        world.join(2, "bob");
        world.request(2, Request::Offer(Description { sdp, id: 2 }));
        assert_eq!(world.leaves(2), [(Reason::StateMismatch, LeaveAction::Reconnect)]);
        assert!(world.leaves(1).is_empty());
    }
}

#[test]
fn offers_and_tracks_are_bounded() {
    let mut world = World::default();
    world.join(1, "ann");
    world.clients.get_mut(&1).unwrap().deaf = true;
    world.hasty = true;
    world.forget_said();
    for _ in 0..50 {
        world.offer(1);
    }
    assert_eq!(world.order.iter().filter(|w| *w == "Offer").count(), 19, "twenty with the first");
    for n in 0..50 {
        world.add_track(1, &format!("cid{n}"), TrackKind::Audio);
    }
    assert_eq!(world.order.iter().filter(|w| *w == "1 TrackPublished").count(), 32);
    world.forget_said();
    world.wait(Duration::from_secs(3));
    assert_eq!(world.order, ["Offer", "1 Answer"], "the last one has its turn");
}

#[test]
fn random_sequences_of_anything_leave_the_room_in_order() {
    for seed in 0..60 {
        let mut random = Random::from_number(seed);
        let mut world = World::default();
        world.join(1, "ann");
        world.join(2, "bob");
        world.hasty = seed % 2 == 0;
        for _ in 0..400 {
            step(&mut world, &mut random);
        }
        assert!(!world.lines.iter().any(|l| l.contains("fault while")), "seed {seed}: {:?}", world.lines);
        world.ask(Command::DeleteRoom(ROOM.into()));
        assert!(world.exchange.is_quiet(), "seed {seed}: {:?}", world.exchange.poll_timeout());
    }
}

/// Any connection: those that are there, were there, or never were.
fn step(world: &mut World, random: &mut Random) {
    let connection = 1 + random.below(8);
    let mut tracks: Vec<TrackSid> = world.clients.values().flat_map(|c| c.own.values().cloned()).collect();
    tracks.push("TR_none".into());
    let track = tracks[random.below(tracks.len() as u64) as usize].clone();
    let flag = random.below(2) == 0;
    let side = if random.below(3) == 0 { Side::Subscriber } else { Side::Publisher };
    let participant = world.clients.get(&(1 + random.below(8))).map(|c| c.sid.clone()).unwrap_or_default();
    let peer = PeerKey { participant: participant.clone(), side };
    let kind = if flag { TrackKind::Audio } else { TrackKind::Video };
    let cid = format!("cid{}", random.below(6));
    let request = match random.below(28) {
        0 if !world.clients.contains_key(&connection) || world.hung_up.contains(&connection) => {
            if world.hung_up.contains(&connection) {
                return;
            }
            world.join(connection, &format!("p{}", random.below(3)));
            return;
        }
        0..=3 if world.clients.contains_key(&connection) => return world.offer_or_end(connection, &cid, kind, random),
        4..=6 => Request::AddTrack(AddTrack { cid, track: TrackInfo { kind, ..TrackInfo::default() } }),
        7 => Request::Mute { track, muted: flag },
        8 => Request::UpdateSubscription { tracks: vec![track], subscribe: flag },
        9 => Request::UpdateTrackSettings { tracks: vec![track], disabled: flag },
        10 => Request::UpdateMetadata { request_id: 1, patch: ParticipantPatch::default() },
        11 => Request::SyncState(SyncState { published: vec![track], ..SyncState::default() }),
        12 if random.below(8) == 0 => Request::Leave(Reason::ClientInitiated),
        13 if random.below(8) == 0 => Request::Simulate(Scenario::NodeFailure),
        14 => Request::Answer(Description { sdp: "nonsense".into(), id: random.below(3) as u32 }),
        15 => Request::Unsupported { request_id: 3 },
        16 => return world.tell(PeerFact::Connected { peer }),
        17 => return world.tell(PeerFact::Answered { peer, sdp: "m=".into(), id: random.below(9) as u32 }),
        18 => return world.tell(PeerFact::Offered { peer, sdp: String::new(), sections: vec![(track, "0".into())] }),
        19 => return world.tell(PeerFact::DataOpen { participant, side, reliable: flag }),
        20 => {
            let payload = random.bytes::<24>().to_vec().into();
            return world.tell(PeerFact::Data { participant, reliable: flag, payload });
        }
        21 if random.below(6) == 0 => return world.tell(PeerFact::Lost { peer }),
        22 if random.below(6) == 0 => return world.tell(PeerFact::Closed { peer }),
        23 if random.below(6) == 0 => return world.give(Input::SignalClosed(connection)),
        24 => {
            let (participant, identity) = (participant, format!("p{}", random.below(3)));
            let listed = vec![TrackPermission { participant, identity, all_tracks: flag, tracks: vec![track] }];
            Request::SubscriptionPermission { everybody: random.below(4) == 0, listed }
        }
        25 if flag => Request::UpdateTrack { track, change: TrackChange::Audio { features: vec![0, 0, 77] } },
        25 => Request::UpdateTrack { track, change: TrackChange::Video { width: 1, height: u32::MAX } },
        26 => {
            let Some(room) = world.room_sid() else { return };
            let reception = Reception { expected: random.below(99), received: random.below(99), jitter: Duration::MAX };
            return world.tell(PeerFact::Received { room, tracks: vec![(track, reception)] });
        }
        _ => return world.wait(Duration::from_millis(random.below(900))),
    };
    world.request(connection, request);
}

impl World {
    fn room_sid(&self) -> Option<RoomSid> {
        self.plans.iter().rev().find_map(|p| match p {
            PeerPlan::Publish { room, .. } => Some(room.clone()),
            _ => None,
        })
    }

    fn offer_or_end(&mut self, connection: u64, cid: &str, kind: TrackKind, random: &mut Random) {
        let client = self.clients.get_mut(&connection).expect("a client");
        let at = random.below(client.parts.len().max(1) as u64) as usize;
        if client.parts.len() < 40 && random.below(2) == 0 {
            client.parts.push(crate::world::Part { kind, cid: Some(cid.into()), inactive: false });
        } else if let Some(part) = client.parts.get_mut(at) {
            part.inactive = !part.inactive;
        }
        if !self.hung_up.contains(&connection) {
            self.offer(connection);
        }
    }
}
