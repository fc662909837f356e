//! Races of two ends, and of a fork, in every order that a bounded search finds: one final state, one
//! record on each side, nothing left behind. `TRUNKLINE_SEARCH_RUNS` is how many runs a race may take.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{collections::BTreeMap, time::Duration};
use trunkline_exchange::{
    Config, Exchange,
    command::{Command, DialRequest, TransferRequest},
};
use trunkline_routing::{
    Directory, Settings,
    dial::Dial,
    record::{AnswerPolicy, DispatchRule, InboundTrunk, Options, OutboundTrunk, Rule},
};
use trunkline_sim::duel::{CALLED, Duel, address_of};
use trunkline_sip::StackConfig;
use trunkline_types::{EndReason, Random, RuleId, TrunkId};

/// The rooms of the two ends, and who is in them.
const ROOMS: [(&str, &str); 2] = [("out", "sip_+15559876543"), ("in", "sip_+15550001111")];
/// After so much virtual time everything has come to rest.
const REST: Duration = Duration::from_secs(400);

fn runs() -> usize {
    std::env::var("TRUNKLINE_SEARCH_RUNS").ok().and_then(|v| v.parse().ok()).unwrap_or(400)
}

fn end(side: usize) -> Exchange {
    let routing = Settings { default_answer_policy: AnswerPolicy::Immediate, drain_ms: 0, ..Settings::default() };
    let mut directory = Directory::new(routing.clone());
    let out = OutboundTrunk {
        id: TrunkId::from("ST_out"),
        address: CALLED.ip().to_string(),
        numbers: vec!["+15550001111".into()],
        ..OutboundTrunk::default()
    };
    let inward = InboundTrunk { id: TrunkId::from("ST_in"), ..InboundTrunk::default() };
    let direct = Rule::Direct { room_name: "in".into(), pin: String::new() };
    let rule = DispatchRule { id: RuleId::from("SDR_in"), rule: Some(direct), ..DispatchRule::default() };
    let takes = Options { incoming_refer: Some(true), ..Options::default() };
    let options = vec![(TrunkId::from("ST_in"), takes.clone()), (TrunkId::from("ST_out"), takes)];
    directory.load(vec![inward], vec![out], vec![rule], options, Vec::new());
    let config = Config {
        stack: StackConfig { server: "sim".into(), advertise: None, trying_after: Duration::from_millis(200) },
        routing,
        rooms: trunkline_room::Defaults {
            empty_timeout: 1,
            departure_timeout: 1,
            ..trunkline_room::Defaults::default()
        },
        media_advertised: None,
        max_load: 0.9,
        media_timeout_initial: Duration::from_secs(30),
        media_timeout: Duration::from_secs(15),
    };
    Exchange::new(config, directory, Random::from_number(side as u64))
}

fn call() -> Command {
    Command::CreateSipParticipant(Box::new(DialRequest {
        dial: Dial { trunk_id: "ST_out".into(), call_to: "+15559876543".into(), ..Dial::default() },
        room_name: "out".into(),
        identity: String::new(),
        name: String::new(),
        metadata: String::new(),
        attributes: BTreeMap::new(),
        dtmf: String::new(),
        play_dialtone: false,
        hide_phone_number: false,
        ringing_timeout: None,
        max_call_duration: None,
        media: None,
        wait_until_answered: true,
    }))
}

fn delete(side: usize) -> Command {
    Command::DeleteRoom(ROOMS[side.min(1)].0.into())
}

fn hold(side: usize) -> Command {
    let (room, identity) = ROOMS[side.min(1)];
    Command::Hold { room: room.into(), identity: identity.into(), hold: true }
}

fn transfer(side: usize) -> Command {
    let (room, identity) = ROOMS[side.min(1)];
    Command::TransferSipParticipant(Box::new(TransferRequest {
        room: room.into(),
        identity: identity.into(),
        target: format!("sip:+15557654321@{}", address_of(7)),
        headers: BTreeMap::new(),
        play_dialtone: false,
        timeout: None,
    }))
}

/// A duel in which side 0 calls; `talking` lets it come to an answered call first.
fn begin(ends: usize, talking: bool) -> Duel {
    let mut duel = Duel::new((0..ends).map(end).collect());
    duel.act(0, call());
    let begun = duel.choices()[0];
    duel.happen(begun);
    if talking {
        let limit = duel.now() + Duration::from_secs(5);
        while !duel.sides.iter().take(2).all(|side| side.is_talking()) {
            assert!(duel.wait(limit), "the call is not answered: {:#?}", duel.ladder);
        }
        // The ACK too.
        let settled = duel.now() + Duration::from_millis(100);
        while duel.wait(settled) {}
    }
    duel
}

/// What was chosen at a step, and of how many.
type Trace = Vec<(usize, usize)>;

/// One run: the first choices are those of `trace`, to which what else there was is added up to `depth`.
fn play(duel: &mut Duel, trace: &mut Trace, depth: usize, mut losses: usize) {
    let limit = duel.now() + REST;
    let mut step = 0;
    loop {
        let choices = duel.choices();
        if step >= depth || choices.is_empty() {
            if !duel.wait(limit) {
                return;
            }
            continue;
        }
        let lost = if losses > 0 { choices.iter().filter(|c| c.is_datagram).count() } else { 0 };
        let width = choices.len() + lost;
        if step == trace.len() {
            trace.push((0, width));
        }
        let chosen = trace[step].0;
        step += 1;
        match choices.get(chosen) {
            Some(choice) => duel.happen(*choice),
            None => {
                losses -= 1;
                let choice = choices.iter().filter(|c| c.is_datagram).nth(chosen - choices.len()).unwrap();
                duel.lose(*choice);
            }
        }
    }
}

fn check(duel: &Duel, race: &str, trace: &Trace) {
    let told = || format!("{race}, choices {:?}\n{:#?}", trace.iter().map(|(c, _)| c).collect::<Vec<_>>(), duel.ladder);
    assert_eq!(duel.faults, Vec::<String>::new(), "{}", told());
    assert!(duel.is_quiet(), "something is left: {}", told());
    for (index, side) in duel.sides.iter().enumerate() {
        assert!(side.has_replied(), "side {index} owes a reply: {}", told());
        let ended = side.records.values().filter(|r| r.ended_at_ms.is_some() && r.ending.is_some()).count();
        assert_eq!(ended, side.records.len(), "side {index} has a call that is not over: {}", told());
        assert!(side.records.len() <= 1, "side {index} has {} records: {}", side.records.len(), told());
    }
    assert_eq!(duel.sides[0].records.len(), 1, "the caller has no record: {}", told());
}

/// Tries every order of the first steps, deeper and deeper as long as the runs last. What `seen` names
/// must be on the wire in one of them at least: a race that never happened proves nothing.
fn search(race: &str, seen: &[&str], make: impl Fn() -> Duel, losses: usize) {
    let mut unseen = seen.to_vec();
    explore(race, make, losses, |duel| unseen.retain(|wanted| !duel.ladder.iter().any(|line| line.contains(wanted))));
    assert!(unseen.is_empty(), "{race}: never seen in any order: {unseen:?}");
}

fn explore(race: &str, make: impl Fn() -> Duel, losses: usize, mut look: impl FnMut(&Duel)) {
    let mut left = runs();
    for depth in 2.. {
        let mut trace = Trace::new();
        let (mut done, mut deeper) = (0, false);
        loop {
            if done >= left {
                assert!(depth > 4, "{race}: too few runs for {depth} steps");
                println!("{race}: every order of {} steps, {} runs", depth - 1, runs());
                return;
            }
            let mut duel = make();
            play(&mut duel, &mut trace, depth, losses);
            check(&duel, race, &trace);
            look(&duel);
            done += 1;
            deeper |= trace.len() == depth;
            while let Some((chosen, width)) = trace.pop() {
                if chosen + 1 < width {
                    trace.push((chosen + 1, width));
                    break;
                }
            }
            if trace.is_empty() {
                break;
            }
        }
        left -= done;
        if !deeper {
            println!("{race}: every order there is, {depth} steps");
            return;
        }
    }
}

#[test]
fn a_call_is_given_up_while_it_is_answered() {
    search(
        "CANCEL and 200",
        &["CANCEL", "487", "200 OK (CSeq: 1 INVITE)", "BYE"],
        || with(begin(2, false), [(0, delete(0))]),
        0,
    );
    search("CANCEL and 200, one message lost", &["CANCEL", "lost"], || with(begin(2, false), [(0, delete(0))]), 1);
    search(
        "the called side goes while it answers",
        &["BYE", "480"],
        || with(begin(2, false), [(0, delete(0)), (1, delete(1))]),
        0,
    );
}

#[test]
fn both_hang_up() {
    search(
        "BYE and BYE",
        &["→ 10.0.0.1:5060 BYE", "→ 10.0.0.2:5060 BYE"],
        || with(begin(2, true), [(0, delete(0)), (1, delete(1))]),
        0,
    );
    search(
        "BYE and BYE, one message lost",
        &["→ 10.0.0.1:5060 BYE", "→ 10.0.0.2:5060 BYE", "lost"],
        || with(begin(2, true), [(0, delete(0)), (1, delete(1))]),
        1,
    );
}

#[test]
fn a_transfer_meets_the_end() {
    for (asks, ends) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let race = format!("REFER by {asks}, BYE by {ends}");
        search(
            &race,
            &["REFER", "202", "BYE"],
            || with(begin(2, true), [(asks, transfer(asks)), (ends, delete(ends))]),
            0,
        );
    }
}

#[test]
fn both_hold_at_once() {
    search(
        "re-INVITE and re-INVITE",
        &["→ 10.0.0.1:5060 INVITE", "→ 10.0.0.2:5060 INVITE", "491"],
        || ended_later(with(begin(2, true), [(0, hold(0)), (1, hold(1))])),
        0,
    );
    search(
        "re-INVITE, re-INVITE and BYE",
        &["→ 10.0.0.2:5060 INVITE", "491", "BYE"],
        || with(begin(2, true), [(0, hold(0)), (1, hold(1)), (0, delete(0))]),
        0,
    );
}

#[test]
fn answers_are_repeated_until_they_are_acknowledged() {
    search("200 and ACK, two messages lost", &["ACK", "lost"], || ended_later(begin(2, false)), 2);
}

#[test]
fn two_answer_one_call() {
    search("two 200s", &["→ 10.0.0.2:5060 ACK", "→ 10.0.0.3:5060 ACK", "BYE"], || ended_later(begin(3, false)), 0);
    search("two 200s and CANCEL", &["CANCEL", "BYE"], || with(begin(3, false), [(0, delete(0))]), 0);
}

fn with<const N: usize>(mut duel: Duel, acts: [(usize, Command); N]) -> Duel {
    for (side, command) in acts {
        duel.act(side, command);
    }
    duel
}

/// Somebody ends the call a minute later, when everything else is over.
fn ended_later(mut duel: Duel) -> Duel {
    duel.act_after(Duration::from_secs(60), 0, delete(0));
    duel
}

/// One call out over a network that loses a tenth each way, held and resumed, ended by either side.
/// Whether it was answered and ended as it should.
fn lossy_call(seed: u64) -> bool {
    let mut duel = Duel::new((0..2).map(end).collect());
    duel.lose_by_chance(100, seed);
    duel.act(0, call());
    let second = Duration::from_secs;
    duel.act_after(second(40), (seed % 2) as usize, hold((seed % 2) as usize));
    let ends = (seed / 2 % 2) as usize;
    duel.act_after(second(80), ends, delete(ends));
    // Where the first deletion found nothing to end, the other side's does.
    duel.act_after(second(160), 1 - ends, delete(1 - ends));
    let limit = duel.now() + second(900);
    while duel.wait(limit) {}
    check(&duel, &format!("seed {seed}"), &Trace::new());
    let held = format!("→ {} INVITE", address_of(1 - (seed % 2) as usize));
    assert!(duel.ladder.iter().any(|line| line.starts_with(&held)), "seed {seed}: nobody was held: {:#?}", duel.ladder);
    duel.sides.iter().all(|side| {
        side.records.values().any(|r| r.answered_at_ms.is_some())
            && side.records.values().all(|r| {
                r.ending.as_ref().is_some_and(|e| matches!(e.reason, EndReason::RoomDeleted | EndReason::RemoteBye))
            })
    })
}

/// `TRUNKLINE_SIM_SEEDS=10000` for the long run.
#[test]
fn calls_out_survive_ten_percent_loss() {
    let seeds = std::env::var("TRUNKLINE_SIM_SEEDS").ok().and_then(|v| v.parse().ok()).unwrap_or(500);
    let failed: Vec<u64> = (0..seeds).filter(|seed| !lossy_call(*seed)).collect();
    println!("{seeds} calls, {} failed: {failed:?}", failed.len());
    assert!(failed.len() <= 1, "{failed:?}");
}
