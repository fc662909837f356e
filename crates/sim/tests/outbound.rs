//! Calls out over a lossy network, to far ends that behave in every way: one record each with the
//! outcome that the far end has seen, and nothing left behind on either side. A failure names the
//! seed that replays it.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{collections::BTreeMap, time::Duration};
use trunkline_exchange::{
    Config, Exchange,
    command::{Command, DialRequest},
};
use trunkline_routing::{
    Directory, Settings,
    dial::Dial,
    record::{Options, OutboundTrunk},
};
use trunkline_sim::{
    callee::Behaviour,
    world::{Link, World},
};
use trunkline_sip::{StackConfig, flow::Protocol, locate::Records};
use trunkline_types::{Random, TrunkId};

const SECOND: Duration = Duration::from_secs(1);

/// A trunk for each way to behave, by a name that the DNS knows.
fn ways() -> Vec<(&'static str, Behaviour, &'static [&'static str])> {
    let refuses = |status: &str| Behaviour::Refuses { status: status.into(), after: SECOND };
    vec![
        ("hangs-up", Behaviour::Answers { after: SECOND, hang_up_after: Some(SECOND * 3) }, &["200"]),
        ("stays", Behaviour::Answers { after: SECOND, hang_up_after: None }, &["200"]),
        ("early", Behaviour::Early { after: SECOND * 2 }, &["200"]),
        ("busy", refuses("486 Busy Here"), &["486"]),
        ("declines", refuses("603 Decline"), &["603"]),
        ("rings", Behaviour::Rings, &["487"]),
        ("forks", Behaviour::Forks { after: SECOND }, &["200"]),
    ]
}

fn world(seed: u64, loss_per_mille: u64) -> World {
    let routing = Settings::default();
    let mut directory = Directory::new(routing.clone());
    let trunk = |name: &str| OutboundTrunk {
        id: TrunkId::from(format!("ST_{name}").as_str()),
        address: format!("{name}.test:5060"),
        transport: 1,
        numbers: vec!["+15550001111".into()],
        ..OutboundTrunk::default()
    };
    let trunks: Vec<_> = ways().iter().map(|(name, ..)| trunk(name)).collect();
    let options = trunks.iter().map(|trunk| (trunk.id.clone(), Options::default())).collect();
    directory.load(Vec::new(), trunks, Vec::new(), options, Vec::new());
    let config = Config {
        stack: StackConfig { server: "sim".into(), advertise: None, trying_after: Duration::from_millis(200) },
        routing,
        rooms: trunkline_room::Defaults::default(),
        media_advertised: None,
        max_load: 0.9,
        media_timeout_initial: SECOND * 30,
        media_timeout: SECOND * 15,
    };
    let mut exchange = Exchange::new(config, directory, Random::from_number(seed));
    exchange.listens_on(vec![(Protocol::Udp, "10.0.0.1:5060".parse().unwrap())]);
    let link = Link {
        loss_per_mille,
        duplicate_per_mille: 20,
        delay: Duration::from_millis(20),
        jitter: Duration::from_millis(15),
    };
    let mut world = World::new(exchange, link, seed);
    for (name, behaviour, _) in ways() {
        let address = world.answer_as(behaviour);
        world.resolve(&format!("{name}.test"), Records { servers: Vec::new(), addresses: vec![address] });
    }
    world
}

fn dial(name: &str, n: u64) -> Command {
    Command::CreateSipParticipant(Box::new(DialRequest {
        dial: Dial {
            trunk_id: format!("ST_{name}").as_str().into(),
            call_to: format!("+1555{n:07}"),
            ..Dial::default()
        },
        room_name: format!("room-{name}-{n}"),
        identity: String::new(),
        name: String::new(),
        metadata: String::new(),
        attributes: BTreeMap::new(),
        dtmf: "1w2".into(),
        play_dialtone: true,
        hide_phone_number: false,
        ringing_timeout: Some(SECOND * 20),
        max_call_duration: Some(SECOND * 30),
        media: None,
        wait_until_answered: true,
    }))
}

fn run(each: u64, loss_per_mille: u64, seed: u64) {
    let mut world = world(seed, loss_per_mille);
    for n in 0..each {
        for (name, ..) in ways() {
            world.ask(dial(name, n));
        }
    }
    assert!(world.run(SECOND * 600), "seed {seed}: it does not come to rest");
    assert_eq!(world.faults, Vec::<String>::new(), "seed {seed}");
    assert!(world.is_quiet(), "seed {seed}: something is left");
    let calls = usize::try_from(each).unwrap();
    assert_eq!(world.records.len(), calls * ways().len(), "seed {seed}: one record each");
    assert!(world.records.values().all(|record| record.ended_at_ms.is_some()), "seed {seed}");
    for (callee, (name, _, finals)) in world.callees().iter().zip(ways()) {
        let branches = if name == "forks" { 2 } else { 1 };
        assert!(callee.calls().len() >= calls * branches, "seed {seed}: {name} was called");
        for call in callee.calls() {
            assert!(call.is_over() && !call.gave_up, "seed {seed}: {name} waits: {call:?}");
            let is_as_told = call.finals.iter().all(|status| finals.iter().any(|f| status.starts_with(f)));
            assert!(call.finals.len() == 1 && is_as_told, "seed {seed}: {name}: {:?}", call.finals);
            assert_eq!(call.bye.is_some(), finals == ["200"] && name != "hangs-up", "seed {seed}: {name}");
        }
    }
}

#[test]
fn calls_out_end_alike_on_both_sides() {
    run(3, 0, 1);
}

#[test]
fn calls_out_survive_five_percent_loss_each_way() {
    for seed in 1..=100 {
        run(2, 50, seed);
    }
}

#[test]
fn a_name_that_does_not_exist_ends_in_a_record_and_not_in_a_call() {
    let mut world = world(3, 0);
    world.resolve("busy.test", Records::default());
    world.ask(dial("busy", 1));
    assert!(world.run(SECOND * 600) && world.is_quiet());
    assert!(world.callees().iter().all(|callee| callee.calls().is_empty()));
    assert!(world.records.values().all(|record| record.ended_at_ms.is_some()));
}

/// Calls one far end that behaves so and whose first words are lost for a while; gives up after 20 s.
fn called_unheard(behaviour: Behaviour, unheard: Duration) -> World {
    let mut world = world(4, 0);
    let address = world.answer_as(behaviour);
    world.resolve("busy.test", Records { servers: Vec::new(), addresses: vec![address] });
    world.mute_callees(unheard);
    world.ask(dial("busy", 1));
    assert!(world.run(SECOND * 600) && world.is_quiet(), "{unheard:?}: something is left");
    assert_eq!(world.faults, Vec::<String>::new(), "{unheard:?}");
    assert!(world.records.len() == 1 && world.records.values().all(|record| record.ended_at_ms.is_some()));
    world
}

#[test]
fn a_far_end_whose_ringing_was_never_heard_is_not_left_ringing() {
    // Behind the answers to each repetition of the INVITE; behind the last one there is only what a
    // far end that rings says once a minute.
    for unheard in [0, 1, 2, 8, 16, 25, 31, 33, 45, 59].map(Duration::from_secs) {
        let world = called_unheard(Behaviour::Rings, unheard);
        let call = &world.callees().last().expect("a far end").calls()[0];
        assert!(call.cancelled && call.is_over() && !call.gave_up, "{unheard:?}: {call:?}");
        assert_eq!(call.finals, ["487 Request Terminated"], "{unheard:?}");
    }
}

#[test]
fn an_answer_long_after_a_call_was_given_up_unheard_is_hung_up() {
    for after in [21, 31, 35, 50, 80].map(Duration::from_secs) {
        let behaviour = Behaviour::Answers { after, hang_up_after: None };
        let world = called_unheard(behaviour, after - Duration::from_millis(100));
        let call = &world.callees().last().expect("a far end").calls()[0];
        assert!(call.was_up() && call.is_over() && !call.gave_up && call.bye.is_some(), "{after:?}: {call:?}");
    }
}
