//! A call of ours until it is answered: each state with each event.

use bytes::Bytes;
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};
use trunkline_call::{
    Call, Effect, Event, Invite, RoomCommand, RoomEvent, Setup, SipCommand,
    dial::{DialCommand, DialEvent, DialFailure, DialNews, FarAnswer, Outbound},
    media::{LegKey, LegStats, MediaFact, MediaPlan},
    record::CallStatus,
};
use trunkline_sdp::{AudioCodec, Security};
use trunkline_types::{CallId, DisconnectReason, EndReason, LegId, ParticipantSid, RoomSid, RuleId, Time, TrunkId};

const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

fn at(seconds: u64) -> Time {
    Time::new(seconds * 1_000_000_000, 0)
}

fn setup() -> Setup {
    let local = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    Setup {
        call_id: CallId::from("SCL_1"),
        invite: Invite {
            call_id: "c".into(),
            remote_tag: String::new(),
            from: "+1555".into(),
            to: "+1777".into(),
            headers: Vec::new(),
            offer: None,
            transport: "",
            source: SocketAddr::new(local, 0),
        },
        trunk_id: TrunkId::from("ST_1"),
        rule_id: RuleId::default(),
        room_name: "room".into(),
        identity: "sip_+1777".into(),
        name: String::new(),
        metadata: String::new(),
        attributes: BTreeMap::new(),
        hidden: false,
        include_headers: Default::default(),
        headers_to_attributes: BTreeMap::new(),
        attributes_to_headers: BTreeMap::new(),
        answer_headers: BTreeMap::new(),
        answer_policy: Default::default(),
        agent_timeout: Duration::ZERO,
        agent_left: None,
        call_control: Default::default(),
        ringing_timeout: Duration::from_secs(60),
        max_call_duration: Duration::from_secs(3_600),
        media_timeout_initial: Duration::from_secs(30),
        media_timeout: Duration::from_secs(15),
        no_answer_status: 480,
        headers_on_200_to_bye: false,
        drain: Duration::ZERO,
        codecs: vec![AudioCodec::Pcmu],
        security: Security::OFF,
        media_local: local,
        media_advertised: local,
        midcall: Default::default(),
        pin: None,
        sdp_session_id: 1,
        explanation: Default::default(),
        outbound: Some(Box::new(Outbound::default())),
    }
}

fn leg() -> LegKey {
    LegKey { call: CallId::from("SCL_1"), leg: LegId::FIRST }
}

fn answer(status: u16, sdp: Option<&str>) -> Box<FarAnswer> {
    Box::new(FarAnswer {
        status,
        text: "text".into(),
        headers: Vec::new(),
        remote_tag: "far".into(),
        sdp: sdp.map(|sdp| Bytes::from(sdp.to_owned())),
        transport: "UDP",
        source: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)), 5060),
    })
}

fn joined() -> Event {
    let (room, participant) = (RoomSid::from("RM_1"), ParticipantSid::from("PA_1"));
    Event::Room(RoomEvent::Joined { room, participant, identity: "sip_+1777".into() })
}

fn opened() -> Event {
    Event::Media(MediaFact::Opened { leg: leg(), rtp: "192.0.2.1:12000".parse().unwrap() })
}

/// The states of a call of ours, each as the events that lead to it.
fn states() -> Vec<(&'static str, Vec<Event>)> {
    let inviting = || vec![joined(), opened()];
    let with = |event: Event| [inviting(), vec![event]].concat();
    vec![
        ("joining", Vec::new()),
        ("opening", vec![joined()]),
        ("inviting", inviting()),
        ("ringing", with(Event::Dial(DialEvent::Progress(answer(180, None))))),
        ("early", with(Event::Dial(DialEvent::Progress(answer(183, Some(SDP)))))),
    ]
}

struct Told {
    call: Call,
    effects: Vec<Effect>,
}

impl Told {
    fn after(events: Vec<Event>) -> Self {
        let mut effects = Vec::new();
        let mut call = Call::dial(setup(), at(0), &mut effects);
        for event in events {
            call.handle(event, at(1), &mut effects);
        }
        Self { call, effects }
    }

    fn give(&mut self, event: Event, now: Time) {
        self.effects.clear();
        self.call.handle(event, now, &mut self.effects);
    }

    fn count(&self, what: impl Fn(&Effect) -> bool) -> usize {
        self.effects.iter().filter(|effect| what(effect)).count()
    }

    fn cancels(&self) -> usize {
        self.count(|e| matches!(e, Effect::Sip(SipCommand::Dial(DialCommand::Cancel { .. }))))
    }

    fn leaves_with(&self) -> Option<DisconnectReason> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::Room(RoomCommand::Leave(reason)) => Some(*reason),
            _ => None,
        })
    }

    fn reason(&self) -> Option<EndReason> {
        self.call.record().ending.map(|ending| ending.reason)
    }

    /// Everything that is still awaited comes; the call has to be forgotten then, once.
    fn finish(mut self, state: &str) {
        let mut all = std::mem::take(&mut self.effects);
        for event in [
            Event::Dial(DialEvent::Refused(answer(487, None))),
            Event::ByeAnswered { status: 200 },
            Event::Media(MediaFact::Closed { leg: leg(), stats: LegStats::default() }),
            Event::Stored(Ok(())),
            Event::Stored(Ok(())),
        ] {
            self.call.handle(event, at(70), &mut all);
        }
        assert_eq!(all.iter().filter(|e| matches!(e, Effect::Finish)).count(), 1, "{state}");
    }
}

#[test]
fn it_joins_opens_publishes_and_then_invites() {
    let told = Told::after(vec![joined(), opened()]);
    let order: Vec<_> = told
        .effects
        .iter()
        .map(|effect| match effect {
            Effect::Room(RoomCommand::Join { .. }) => "join",
            Effect::Media(MediaPlan::Open { .. }) => "open",
            Effect::Room(RoomCommand::Publish) => "publish",
            Effect::Dial(DialNews::Placed) => "placed",
            Effect::Sip(SipCommand::Dial(DialCommand::Invite { .. })) => "invite",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(order, ["join", "open", "publish", "placed", "invite"]);
    assert_eq!(told.call.record().status, CallStatus::Dialing);
}

#[test]
fn in_every_state_the_room_can_end_it() {
    let table: [(Event, EndReason); 3] = [
        (Event::Room(RoomEvent::Removed(DisconnectReason::RoomDeleted)), EndReason::RoomDeleted),
        (Event::Room(RoomEvent::EndRequested { headers: Vec::new() }), EndReason::EndCall),
        (Event::ShutDown, EndReason::Shutdown),
    ];
    for (event, reason) in table {
        for (state, events) in states() {
            let sent = events.len() > 1;
            let mut told = Told::after(events);
            told.give(event.clone(), at(2));
            assert_eq!(told.reason(), Some(reason), "{state}");
            assert_eq!(told.cancels(), usize::from(sent), "{state} {reason:?}");
            assert_eq!(told.count(|e| matches!(e, Effect::Dial(DialNews::Failed(_)))), 1, "{state}");
            let left = told.leaves_with().is_some();
            assert_eq!(left, reason != EndReason::RoomDeleted, "{state}: who is out does not leave");
            told.finish(state);
        }
    }
}

#[test]
fn in_every_state_it_rings_no_longer_than_it_may() {
    for (state, events) in states() {
        let mut told = Told::after(events);
        assert_eq!(told.call.poll_timeout(), Some(at(60)), "{state}");
        told.give(Event::TimedOut, at(59));
        assert_eq!(told.reason(), None, "{state}");
        told.give(Event::TimedOut, at(60));
        assert_eq!(
            (told.reason(), told.leaves_with()),
            (Some(EndReason::NoAnswer), Some(DisconnectReason::UserUnavailable))
        );
        told.finish(state);
    }
}

#[test]
fn once_it_is_sent_every_answer_is_taken() {
    for (state, events) in states().into_iter().skip(2) {
        let mut told = Told::after(events.clone());
        told.give(Event::Dial(DialEvent::Refused(answer(486, None))), at(2));
        assert_eq!((told.reason(), told.cancels()), (Some(EndReason::Rejected), 0), "{state}");
        told.finish(state);

        let mut told = Told::after(events.clone());
        told.give(Event::Dial(DialEvent::Failed(DialFailure::Silent)), at(2));
        assert_eq!(told.reason(), Some(EndReason::TrunkFailure), "{state}");
        told.finish(state);

        let mut told = Told::after(events);
        told.give(Event::Dial(DialEvent::Answered(answer(200, Some(SDP)))), at(2));
        let first = told.effects.first();
        assert!(matches!(first, Some(Effect::Sip(SipCommand::Dial(DialCommand::Acknowledge)))), "{state}: ACK first");
        assert_eq!(told.count(|e| matches!(e, Effect::Media(MediaPlan::Start { .. }))), 1, "{state}");
        assert_eq!(told.count(|e| matches!(e, Effect::Dial(DialNews::Active))), 1, "{state}");
        assert_eq!(told.count(|e| matches!(e, Effect::Persist(_))), 1, "{state}");
        assert!(told.call.is_answered(), "{state}");
        let negotiated = told.count(|e| matches!(e, Effect::Media(MediaPlan::Negotiated { .. })));
        assert_eq!(negotiated, usize::from(state != "early"), "{state}");
    }
}

#[test]
fn an_answer_after_the_end_is_hung_up_with_one_record() {
    let mut told = Told::after(vec![joined(), opened()]);
    told.give(Event::ShutDown, at(2));
    told.give(Event::Dial(DialEvent::Answered(answer(200, Some(SDP)))), at(2));
    let sip: Vec<_> = told.effects.iter().filter(|e| matches!(e, Effect::Sip(_))).collect();
    assert!(
        matches!(
            sip[..],
            [Effect::Sip(SipCommand::Dial(DialCommand::Acknowledge)), Effect::Sip(SipCommand::Bye { .. })]
        ),
        "{sip:?}"
    );
    assert_eq!(told.reason(), Some(EndReason::Shutdown));
    told.finish("ended");
}

#[test]
fn what_the_machine_lacks_fails_the_call_before_anything_is_sent() {
    let table = [
        (Vec::new(), Event::Room(RoomEvent::JoinFailed { why: "full".into() })),
        (vec![joined()], Event::Media(MediaFact::OpenFailed { leg: leg(), why: "no port".into() })),
    ];
    for (events, event) in table {
        let mut told = Told::after(events);
        told.give(event, at(1));
        assert_eq!((told.reason(), told.cancels()), (Some(EndReason::Resource), 0));
        told.finish("failed");
    }
}
