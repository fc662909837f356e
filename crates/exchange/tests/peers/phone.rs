//! A caller and a client in one room.

use crate::world::{ROOM, World};
use bytes::Bytes;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};
use trunkline_call::media::{
    MediaFact, MediaPlan,
    peer::{PeerFact, PeerPlan, TrackOrigin},
};
use trunkline_exchange::{
    Config, Exchange, Input,
    command::{Command, Reply, Timings},
};
use trunkline_room::{
    Kind, TrackKind,
    signal::{Request, Response, TrackPermission},
};
use trunkline_routing::{
    Directory, Settings,
    record::{DispatchRule, InboundTrunk, Rule},
};
use trunkline_sip::{
    Message, StackConfig,
    flow::{Flow, Protocol, Received},
};
use trunkline_types::{Random, RuleId, Summary, TrunkId};

fn world() -> World {
    let routing = Settings::default();
    let mut directory = Directory::new(routing.clone());
    let trunk =
        InboundTrunk { id: TrunkId::from("ST_1"), numbers: vec!["+15551234567".into()], ..InboundTrunk::default() };
    let rule = Rule::Direct { room_name: ROOM.into(), pin: String::new() };
    let rule = DispatchRule { id: RuleId::from("SDR_1"), rule: Some(rule), ..DispatchRule::default() };
    directory.load(vec![trunk], Vec::new(), vec![rule], Vec::new(), Vec::new());
    let config = Config {
        stack: StackConfig { server: "test".into(), advertise: None, trying_after: Duration::from_millis(200) },
        routing,
        rooms: trunkline_room::Defaults::default(),
        media_advertised: None,
        max_load: 0.9,
        media_timeout_initial: Duration::from_secs(30),
        media_timeout: Duration::from_secs(15),
    };
    World::with(Exchange::new(config, directory, Random::from_number(3)))
}

fn call(world: &mut World) {
    let body = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                m=audio 40000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";
    let raw = Bytes::from(format!(
        "INVITE sip:+15551234567@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKx;rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:+17770@198.51.100.1>;tag=f\r\nTo: <sip:+15551234567@192.0.2.2>\r\n\
         Call-ID: c\r\nCSeq: 1 INVITE\r\nContact: <sip:u@198.51.100.1:5060>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let at = |host| SocketAddr::new(IpAddr::V4(host), 5060);
    let (local, remote) = (at(Ipv4Addr::new(192, 0, 2, 2)), at(Ipv4Addr::new(198, 51, 100, 1)));
    let flow = Flow { protocol: Protocol::Udp, local, remote, connection: 0 };
    let message = Message::parse(raw.clone());
    let at = world.now;
    world.give(Input::Sip(Box::new(Received { flow, at, raw, message })));
    world.wait(Duration::from_secs(2));
}

fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2, u8::try_from(value.len()).expect("short")];
    out.extend_from_slice(value);
    out
}

/// The packets sent to somebody that hold these bytes.
fn packets<'a>(world: &'a World, needle: &'a [u8]) -> Vec<&'a Bytes> {
    let payloads = world.plans.iter().filter_map(|p| match p {
        PeerPlan::SendData { payload, .. } => Some(payload),
        _ => None,
    });
    payloads.filter(|p| p.windows(needle.len()).any(|w| w == needle)).collect()
}

#[test]
fn they_see_and_hear_each_other() {
    let mut world = world();
    world.join(1, "agent");
    let own = world.publish(1, "voice", TrackKind::Audio);
    world.publish(1, "camera", TrackKind::Video);
    assert_eq!(world.count(1, |r| matches!(r, Response::TrackSubscribed(_))), 0);
    call(&mut world);
    let caller = world.participants().into_iter().find(|p| p.kind == Kind::Sip).expect("the caller is there");
    assert!(!world.shown(1, &caller.identity).is_empty());
    let told: Vec<_> = world.said(1).iter().filter(|r| matches!(r, Response::TrackSubscribed(_))).collect();
    assert_eq!(told, [&Response::TrackSubscribed(own)], "the phone hears audio alone");
    let track = &caller.tracks[0].sid;
    let from_leg =
        |p: &PeerPlan| matches!(p, PeerPlan::Publish { track: t, origin: TrackOrigin::Leg(_), .. } if t == track);
    assert!(world.plans.iter().any(from_leg));
    assert_eq!(world.clients[&1].hears.values().collect::<Vec<_>>(), [track]);
}

#[test]
fn a_caller_hears_whom_lets_him() {
    let mut world = world();
    world.join(1, "agent");
    let mic = world.publish(1, "voice", TrackKind::Audio);
    world.request(1, Request::SubscriptionPermission { everybody: false, listed: Vec::new() });
    call(&mut world);
    let hushed = |w: &World| {
        let last = w.plans.iter().rev().find_map(|p| match p {
            PeerPlan::MuteTrack { track, muted, .. } if *track == mic => Some(*muted),
            _ => None,
        });
        last == Some(true)
    };
    let answered = |w: &World| w.media.iter().any(|p| matches!(p, MediaPlan::Start { .. }));
    let heard = |w: &World| w.count(1, |r| matches!(r, Response::TrackSubscribed(_)));
    assert!(hushed(&world) && !answered(&world));
    assert_eq!(heard(&world), 0);
    let caller = world.participants().into_iter().find(|p| p.kind == Kind::Sip).expect("the caller is there");
    let listed = vec![TrackPermission { participant: caller.sid, all_tracks: true, ..TrackPermission::default() }];
    world.request(1, Request::SubscriptionPermission { everybody: false, listed });
    assert!(!hushed(&world) && answered(&world));
    assert_eq!(heard(&world), 1);
    // A track that its publisher mutes stays muted for the phones, whatever it permits.
    world.request(1, Request::Mute { track: mic.clone(), muted: true });
    world.request(1, Request::SubscriptionPermission { everybody: false, listed: Vec::new() });
    world.request(1, Request::SubscriptionPermission { everybody: true, listed: Vec::new() });
    assert!(hushed(&world));
    world.request(1, Request::Mute { track: mic.clone(), muted: false });
    assert!(!hushed(&world));
}

#[test]
fn a_call_alone_with_video_is_not_answered_by_it() {
    let mut world = world();
    world.join(1, "agent");
    world.publish(1, "camera", TrackKind::Video);
    call(&mut world);
    let answered = |w: &World| w.media.iter().any(|p| matches!(p, MediaPlan::Start { .. }));
    assert!(!answered(&world));
    world.publish(1, "voice", TrackKind::Audio);
    assert!(answered(&world));
}

#[test]
fn how_long_audio_takes_is_told_when_it_changes() {
    let mut world = world();
    world.join(1, "agent");
    world.publish(1, "voice", TrackKind::Audio);
    call(&mut world);
    let opened = world.media.iter().find_map(|p| match p {
        MediaPlan::Open { leg, .. } => Some(leg.clone()),
        _ => None,
    });
    let leg = opened.expect("a leg was opened");
    let identity = |w: &mut World| w.participants().into_iter().find(|p| p.kind == Kind::Sip).expect("the caller");
    let attribute = |w: &mut World, name: &str| identity(w).attributes.get(name).cloned();
    assert_eq!(attribute(&mut world, "trunkline.audioUpP95Ms"), None);
    let caller = identity(&mut world).identity;
    let mut shown = Vec::new();
    for (up, down) in [(400, 0), (450, 60_000), (460, 61_000), (9_000, 62_000)] {
        let took = |p95_us| Summary { count: p95_us, p95_us, ..Summary::default() };
        world.forget_said();
        world.give(Input::Media(MediaFact::Latency { leg: leg.clone(), up: took(up), down: took(down) }));
        shown.push(world.shown(1, &caller).len());
    }
    assert_eq!(shown, [1, 1, 0, 1], "everybody is told of a noticeable change alone");
    assert_eq!(attribute(&mut world, "trunkline.audioUpP95Ms").as_deref(), Some("9.0"));
    assert_eq!(attribute(&mut world, "trunkline.audioDownP95Ms").as_deref(), Some("60.0"));
    let Some(Ok(Reply::Calls(calls))) = world.ask(Command::LiveCalls) else { panic!("no calls") };
    assert_eq!((calls[0].media.audio_up.p95_us, calls[0].media.audio_down.p95_us), (9_000, 62_000));
}

#[test]
fn what_threads_have_measured_is_added_up() {
    let mut world = world();
    let mut timings = Box::<Timings>::default();
    for thread in [0, 1, 1] {
        timings.audio_up.record(Duration::from_millis(1));
        world.give(Input::Media(MediaFact::Timings { thread, timings: timings.clone() }));
    }
    let Some(Ok(Reply::Gauges(gauges))) = world.ask(Command::Gauges) else { panic!("no gauges") };
    assert_eq!(gauges.timings.audio_up.count(), 1 + 3, "the last of each thread");
}

#[test]
fn digits_go_both_ways_and_methods_are_refused() {
    let mut world = world();
    let agent = world.join(1, "agent");
    world.publish(1, "voice", TrackKind::Audio);
    call(&mut world);
    let caller = world.participants().into_iter().find(|p| p.kind == Kind::Sip).expect("the caller is there");
    let leg = world
        .media
        .iter()
        .find_map(|p| match p {
            MediaPlan::Open { leg, .. } => Some(leg.clone()),
            _ => None,
        })
        .expect("a leg");
    world.plans.clear();
    world.give(Input::Media(MediaFact::Dtmf { leg, code: 5, digit: Some('5') }));
    let sent = packets(&world, b"\x32\x05\x18\x05\x22\x015");
    assert_eq!(sent.len(), 1);
    assert!(sent[0].windows(caller.identity.len()).any(|w| w == caller.identity.as_bytes()));

    let dtmf = Bytes::from(field(6, b"\x18\x07\x22\x017"));
    let to = |identity: &[u8]| Bytes::from([&dtmf[..], &field(5, identity)].concat());
    let dialled = |w: &World| w.media.iter().filter(|p| matches!(p, MediaPlan::SendDtmf { .. })).count();
    for (payload, count) in [(dtmf.clone(), 1), (to(b"somebody"), 1), (to(caller.identity.as_bytes()), 2)] {
        world.tell(PeerFact::Data { participant: agent.clone(), reliable: true, payload });
        assert_eq!(dialled(&world), count);
    }

    world.plans.clear();
    let request = [field(10, &field(1, b"id-1")), field(5, caller.identity.as_bytes())].concat();
    world.tell(PeerFact::Data { participant: agent, reliable: true, payload: request.into() });
    let answers = packets(&world, b"id-1");
    assert_eq!(answers.len(), 2);
    assert_eq!((answers[0][0] >> 3, answers[1][0] >> 3), (11, 12), "acknowledged, then refused");
    assert_eq!(packets(&world, b"\x08\xf8\x0a").len(), 1, "error 1400");
}
