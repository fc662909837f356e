//! Data packets and requests.

use crate::world::{ROOM, World};
use bytes::Bytes;
use std::time::Duration;
use trunkline_call::media::peer::{PeerFact, PeerPlan, Side};
use trunkline_exchange::command::{Code, Command, Reply};
use trunkline_room::{
    RoomSettings,
    signal::{Connect, Request},
    worker::AgentRequest,
};
use trunkline_types::{DisconnectReason, ParticipantSid};

fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2, u8::try_from(value.len()).expect("short")];
    out.extend_from_slice(value);
    out
}

fn user(text: &str) -> Bytes {
    field(2, &field(2, text.as_bytes())).into()
}

fn to(mut packet: Vec<u8>, identity: &str) -> Bytes {
    packet.extend(field(5, identity.as_bytes()));
    packet.into()
}

fn data(participant: &ParticipantSid, payload: Bytes) -> PeerFact {
    PeerFact::Data { participant: participant.clone(), reliable: true, payload }
}

/// What was sent to whom since the last look: the packets that hold the text.
fn sent(world: &mut World, text: &str) -> Vec<ParticipantSid> {
    let plans = std::mem::take(&mut world.plans);
    let holds = |payload: &Bytes| payload.windows(text.len()).any(|w| w == text.as_bytes());
    let to = plans.into_iter().filter_map(|p| match p {
        PeerPlan::SendData { to, payload, .. } if holds(&payload) => Some(to),
        _ => None,
    });
    to.flatten().collect()
}

#[test]
fn data_reaches_the_others_or_those_it_names() {
    let mut world = World::default();
    let [ann, bob, eve] = [(1, "ann"), (2, "bob"), (3, "eve")].map(|(c, identity)| world.join(c, identity));
    world.tell(data(&ann, user("hello")));
    let mut all = sent(&mut world, "hello");
    all.sort();
    let mut others = vec![bob.clone(), eve.clone()];
    others.sort();
    assert_eq!(all, others);
    world.tell(data(&ann, to(user("only").to_vec(), "eve")));
    assert_eq!(sent(&mut world, "only"), [eve]);
    world.tell(data(&ann, to(user("self").to_vec(), "ann")));
    assert_eq!(sent(&mut world, "self"), [], "never an echo");
    world.tell(data(&ann, to(user("none").to_vec(), "nobody")));
    assert_eq!(sent(&mut world, "none"), []);
    let sids = field(2, &[field(2, b"by sid"), field(3, bob.as_str().as_bytes())].concat());
    world.tell(data(&ann, sids.into()));
    assert_eq!(sent(&mut world, "by sid"), [bob]);
}

#[test]
fn a_repeated_number_or_nonce_is_dropped() {
    let mut world = World::default();
    let ann = world.join(1, "ann");
    world.join(2, "bob");
    let numbered = |n: u8| -> Bytes { [&user("x")[..], &[0x80, 0x01, n]].concat().into() };
    let mut count = |payload: Bytes| {
        world.tell(data(&ann, payload));
        sent(&mut world, "x").len()
    };
    assert_eq!([5, 5, 4, 6].map(|n| count(numbered(n))), [1, 0, 0, 1]);
    let nonce: Bytes = field(2, &[field(2, b"x"), field(11, &[7; 16])].concat()).into();
    assert_eq!([count(nonce.clone()), count(nonce)], [1, 0]);
}

#[test]
fn who_may_not_send_data_sends_none() {
    let mut world = World::default();
    let mut connect = world.connect("ann");
    connect.join.permission.can_publish_data = false;
    world.join_with(1, connect);
    let ann = world.up(1);
    world.join(2, "bob");
    world.tell(data(&ann, user("hello")));
    assert_eq!(sent(&mut world, "hello"), []);
}

#[test]
fn a_newcomer_gets_what_was_said_while_its_channel_opened() {
    let mut world = World::default();
    let ann = world.join(1, "ann");
    world.tell(data(&ann, user("before")));
    let connect = world.connect("bob");
    world.join_with(2, connect);
    let bob = world.sid(2);
    world.tell(data(&ann, user("old")));
    world.wait(Duration::from_secs(3));
    world.tell(data(&ann, user("young")));
    world.tell(data(&ann, to(user("young").to_vec(), "ann")));
    world.plans.clear();
    world.tell(PeerFact::DataOpen { participant: bob.clone(), side: Side::Subscriber, reliable: true });
    assert!(world.plans.is_empty(), "it has no such connection");
    for _ in 0..2 {
        world.tell(PeerFact::DataOpen { participant: bob.clone(), side: Side::Publisher, reliable: true });
    }
    assert_eq!(world.plans.len(), 1);
    assert_eq!(sent(&mut world, "young"), [bob]);
}

#[test]
fn the_api_sends_data() {
    let mut world = World::default();
    world.join(1, "ann");
    let bob = world.join(2, "bob");
    let send = |room: &str, packet: Bytes, destinations: Vec<String>, sids: Vec<ParticipantSid>| Command::SendData {
        room: room.into(),
        reliable: true,
        packet,
        destinations,
        destination_sids: sids,
    };
    world.ask(send(ROOM, user("all"), vec![], vec![])).unwrap().unwrap();
    assert_eq!(sent(&mut world, "all").len(), 2);
    world.ask(send(ROOM, user("one"), vec!["bob".into()], vec![])).unwrap().unwrap();
    world.ask(send(ROOM, user("one"), vec![], vec![bob.clone()])).unwrap().unwrap();
    assert_eq!(sent(&mut world, "one"), [bob.clone(), bob]);
    assert_eq!(world.ask(send("other", user("x"), vec![], vec![])).unwrap().unwrap_err().code, Code::NotFound);
    let broken = world.ask(send(ROOM, Bytes::from_static(b"\x12\x09"), vec![], vec![])).unwrap().unwrap_err();
    assert_eq!(broken.code, Code::InvalidArgument);
}

#[test]
fn a_request_of_the_api_is_answered_by_the_participant() {
    let mut world = World::default();
    let ann = world.join(1, "ann");
    let bob = world.join(2, "bob");
    let rpc = |timeout| Command::PerformRpc {
        room: ROOM.into(),
        identity: "bob".into(),
        method: "greet".into(),
        payload: "hi".into(),
        response_timeout_ms: timeout,
    };
    let id_of = |world: &World| {
        let PeerPlan::SendData { payload, .. } = world.plans.last().unwrap() else { panic!("nothing sent") };
        let at = payload.windows(4).position(|w| w == b"RPC_").unwrap();
        payload[at..at + 16].to_vec()
    };
    assert!(world.ask(rpc(0)).is_none(), "not answered yet");
    let request = *world.replies.keys().last().unwrap() + 1;
    let id = id_of(&world);
    world.plans.clear();
    let response = |id: &[u8]| Bytes::from(field(12, &[field(1, id), field(2, b"hello")].concat()));
    world.tell(data(&bob, field(11, &field(1, &id)).into()));
    world.tell(data(&ann, response(&id)));
    assert!(!world.replies.contains_key(&request), "somebody else does not answer for bob");
    world.plans.clear();
    world.tell(data(&bob, response(&id)));
    assert!(matches!(&world.replies[&request], Ok(Reply::Rpc(text)) if text == "hello"));
    assert!(world.plans.is_empty(), "consumed");
    world.tell(data(&bob, response(&id)));
    assert_eq!(world.plans.len(), 1, "a response to no request of ours is anybody's");

    assert!(world.ask(rpc(500)).is_none());
    world.wait(Duration::from_millis(600));
    assert_eq!(world.replies.values().last().unwrap().as_ref().unwrap_err().code, Code::DeadlineExceeded);
    assert!(world.ask(rpc(0)).is_none());
    let error = field(12, &[field(1, &id_of(&world)), field(3, &[&[8, 7][..], &field(2, b"no")].concat())].concat());
    world.tell(data(&bob, error.into()));
    let error = world.replies.values().last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.message, "RPC error 7: no");
    assert!(world.ask(rpc(0)).is_none());
    world.request(2, Request::Leave(DisconnectReason::ClientInitiated));
    assert_eq!(world.replies.values().last().unwrap().as_ref().unwrap_err().code, Code::Unavailable);
    assert_eq!(world.ask(rpc(0)).unwrap().unwrap_err().code, Code::NotFound);
}

#[test]
fn participants_that_are_no_clients_know_no_method() {
    let mut world = World::default();
    let settings = RoomSettings { agents: vec![AgentRequest::named("trunkline.echo", "")], ..RoomSettings::default() };
    let connect = Connect { settings, ..world.connect("ann") };
    world.join_with(1, connect);
    let ann = world.up(1);
    let echo = world.participants().into_iter().find(|p| p.sid != ann).unwrap();
    world.plans.clear();
    world.tell(data(&ann, to(field(10, &field(1, b"id-1")), &echo.identity)));
    assert_eq!(sent(&mut world, "id-1"), [ann.clone(), ann], "acknowledged and refused");
}
