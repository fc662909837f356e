//! Many calls over a lossy network: one final answer and one record each, headers on every BYE, and
//! nothing left behind. `TRUNKLINE_SIM_CALLS` and `TRUNKLINE_SIM_SEED` choose size and seed; a
//! failure names the seed that replays it.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{collections::BTreeMap, time::Duration};
use trunkline_exchange::{Config, Exchange};
use trunkline_routing::{
    Directory, Settings,
    record::{AnswerPolicy, DispatchRule, InboundTrunk, Rule},
};
use trunkline_sim::world::{Link, ROUTING, World};
use trunkline_sip::StackConfig;
use trunkline_types::{EndReason, Random, RuleId, TrunkId};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

fn exchange(seed: u64) -> Exchange {
    let routing = Settings { default_answer_policy: AnswerPolicy::Immediate, drain_ms: 0, ..Settings::default() };
    let mut directory = Directory::new(routing.clone());
    let trunk = InboundTrunk {
        id: TrunkId::from("ST_sim"),
        numbers: vec!["+15551234567".into()],
        attributes_to_headers: ROUTING.iter().map(|(a, h, _)| ((*a).to_owned(), (*h).to_owned())).collect(),
        ..InboundTrunk::default()
    };
    let individual = Rule::Individual { room_prefix: "call".into(), pin: String::new(), no_randomness: false };
    let rule = DispatchRule { id: RuleId::from("SDR_sim"), rule: Some(individual), ..DispatchRule::default() };
    directory.load(vec![trunk], Vec::new(), vec![rule], Vec::new(), Vec::new());
    let config = Config {
        stack: StackConfig { server: "sim".into(), advertise: None, trying_after: Duration::from_millis(200) },
        routing,
        rooms: trunkline_room::Defaults::default(),
        media_advertised: None,
        max_load: 0.9,
        media_timeout_initial: Duration::from_secs(30),
        media_timeout: Duration::from_secs(15),
    };
    Exchange::new(config, directory, Random::from_number(seed))
}

fn run(calls: u64, loss_per_mille: u64, seed: u64) {
    let link = Link {
        loss_per_mille,
        duplicate_per_mille: 10,
        delay: Duration::from_millis(20),
        jitter: Duration::from_millis(15),
    };
    let mut world = World::new(exchange(seed), link, seed);
    for n in 0..calls {
        // Every other caller hangs up itself.
        let hang_up = (n % 2 == 1).then(|| Duration::from_secs(3));
        world.call(Duration::from_millis(n * 2), &format!("+1555{n:07}"), "+15551234567", hang_up);
    }
    assert!(world.run(Duration::from_secs(calls / 500 + 1_200)), "seed {seed}: it does not come to rest");
    assert_eq!(world.faults, Vec::<String>::new(), "seed {seed}");
    assert!(world.is_quiet(), "seed {seed}: something is left");
    let mut records: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for record in world.records.values() {
        records.entry(&record.sip_call_id).or_default().push(record);
    }
    for caller in world.callers() {
        let id = caller.call_id();
        assert!(caller.is_over() && !caller.gave_up, "seed {seed}: {id} did not come to its end");
        assert_eq!(caller.finals, [200], "seed {seed}: {id}");
        assert_eq!(caller.tags.len(), 1, "seed {seed}: {id} saw several tags");
        let held = records.get(id).map(Vec::as_slice).unwrap_or_default();
        assert_eq!(held.len(), 1, "seed {seed}: {id} has {} records", held.len());
        let ending = held.first().and_then(|r| r.ending.as_ref());
        let reason = ending.unwrap_or_else(|| panic!("seed {seed}: {id} is not ended")).reason;
        if reason == EndReason::RoomDeleted {
            let bye = caller.bye.as_deref().unwrap_or_default();
            for (_, header, value) in ROUTING {
                assert!(
                    bye.contains(&format!("\r\n{header}: {value}\r\n")),
                    "seed {seed}: {id} lacks {header}:\n{bye}"
                );
            }
        } else {
            assert_eq!(reason, EndReason::RemoteBye, "seed {seed}: {id}");
        }
    }
}

#[test]
fn calls_survive_five_percent_loss_each_way() {
    run(number("TRUNKLINE_SIM_CALLS", 1_000), 50, number("TRUNKLINE_SIM_SEED", 1));
}

#[test]
fn many_seeds_without_loss_and_with_much() {
    for seed in 0..20 {
        run(50, if seed % 2 == 0 { 0 } else { 100 }, seed);
    }
}

#[test]
fn a_seed_replays() {
    let ended = |seed| {
        let link = Link {
            loss_per_mille: 50,
            duplicate_per_mille: 0,
            delay: Duration::from_millis(10),
            jitter: Duration::from_millis(10),
        };
        let mut world = World::new(exchange(seed), link, seed);
        for n in 0..50 {
            world.call(Duration::from_millis(n * 5), "+15550001", "+15551234567", None);
        }
        world.run(Duration::from_secs(600));
        world.records.values().map(|r| (r.call_id.clone(), r.ended_at_ms)).collect::<Vec<_>>()
    };
    assert_eq!(ended(7), ended(7));
    assert_ne!(ended(7), ended(8));
}
