//! Random writes, with restarts in between, leave what a few maps would hold.

use crate::fixture::{Dir, Open, call, ended, open};
use serde::Serialize;
use serde_json::{Value, to_value};
use std::{collections::BTreeMap, time::Duration};
use trunkline_routing::record::{DispatchRule, InboundTrunk, MediaConfig, Options, OutboundTrunk, Rule};
use trunkline_store::{OptionsOwner, Write};
use trunkline_types::Random;

#[derive(Default)]
struct Model {
    trunks: BTreeMap<String, (bool, Value)>,
    rules: BTreeMap<String, Value>,
    options: BTreeMap<OptionsOwner, Value>,
    calls: BTreeMap<String, (bool, i64, Value)>,
}

fn json(record: &impl Serialize) -> Value {
    to_value(record).expect("records serialise")
}

impl Model {
    fn apply(&mut self, write: &Write) {
        match write {
            Write::PutInboundTrunk(trunk) => _ = self.trunks.insert(trunk.id.to_string(), (true, json(trunk))),
            Write::PutOutboundTrunk(trunk) => _ = self.trunks.insert(trunk.id.to_string(), (false, json(trunk))),
            Write::DeleteTrunk(id) => {
                self.trunks.remove(id.as_str());
                self.options.remove(&OptionsOwner::Trunk(id.clone()));
            }
            Write::PutRule(rule) => _ = self.rules.insert(rule.id.to_string(), json(rule)),
            Write::DeleteRule(id) => {
                self.rules.remove(id.as_str());
                self.options.remove(&OptionsOwner::Rule(id.clone()));
            }
            Write::PutOptions(owner, options) => _ = self.options.insert(owner.clone(), json(options)),
            Write::PutCall(call) => {
                let open = call.ended_at_ms.is_none();
                let over = self.calls.get(call.call_id.as_str()).is_some_and(|(open, ..)| !open);
                if !(open && over) {
                    self.calls.insert(call.call_id.to_string(), (open, call.created_at_ms, json(call)));
                }
            }
        }
    }

    /// What a restart does: open calls end.
    fn restart(&mut self, opened: &Open) {
        let open: Vec<_> = self.calls.iter().filter(|(_, (open, ..))| *open).map(|(id, _)| id.clone()).collect();
        let mut orphans: Vec<_> = opened.loaded.orphans.iter().map(|call| call.call_id.to_string()).collect();
        orphans.sort();
        assert_eq!(orphans, open);
        for orphan in &opened.loaded.orphans {
            assert_eq!(orphan.ending.as_ref().map(|ending| ending.reason.as_str()), Some("server_crash"));
            self.calls.insert(orphan.call_id.to_string(), (false, orphan.created_at_ms, json(orphan)));
        }
        let trunks = |inbound| self.trunks.values().filter(move |(kind, _)| *kind == inbound).map(|(_, json)| json);
        assert!(opened.loaded.inbound_trunks.iter().map(json).eq(trunks(true).cloned()));
        assert!(opened.loaded.outbound_trunks.iter().map(json).eq(trunks(false).cloned()));
        assert!(opened.loaded.rules.iter().map(json).eq(self.rules.values().cloned()));
        let options: BTreeMap<_, _> =
            opened.loaded.options.iter().map(|(owner, options)| (owner.clone(), json(options))).collect();
        assert_eq!(options, self.options);
    }

    fn matches_calls(&self, opened: &Open) {
        let reader = opened.store.reader();
        let stored = reader.calls(usize::MAX, None).expect("calls");
        assert_eq!(stored.len(), self.calls.len(), "one record per call");
        assert!(stored.is_sorted_by(|a, b| a.created_at_ms >= b.created_at_ms));
        for (id, (_, _, record)) in &self.calls {
            assert_eq!(reader.call(id).expect("call").as_ref().map(json).as_ref(), Some(record));
        }
    }
}

fn random_write(random: &mut Random) -> Write {
    let trunk = format!("ST_{}", random.below(6));
    let rule = format!("SDR_{}", random.below(6));
    match random.below(12) {
        0 => Write::PutInboundTrunk(InboundTrunk {
            id: trunk.into(),
            name: random.hex(5),
            numbers: vec![random.hex(3); random.below(3) as usize],
            media: Some(MediaConfig { media_timeout: Some(Duration::from_millis(1_500)), ..Default::default() }),
            ..Default::default()
        }),
        1 => Write::PutOutboundTrunk(OutboundTrunk { id: trunk.into(), address: random.hex(5), ..Default::default() }),
        2 => Write::DeleteTrunk(trunk.into()),
        3 => Write::PutRule(DispatchRule {
            id: rule.into(),
            rule: Some(Rule::Direct { room_name: random.hex(4), pin: String::new() }),
            room_config_proto: vec![0, 255, 10],
            ..Default::default()
        }),
        4 => Write::DeleteRule(rule.into()),
        5 => Write::PutOptions(
            if random.below(2) == 0 { OptionsOwner::Trunk(trunk.into()) } else { OptionsOwner::Rule(rule.into()) },
            Options { drain_ms: Some(random.below(1_000) as u32), ..Default::default() },
        ),
        kind => {
            let number = random.below(40);
            let record = call(&format!("SCL_{number}"), 1_000 + number as i64 / 3);
            Write::PutCall(if kind < 9 { record } else { ended(record, 5_000) })
        }
    }
}

#[test]
fn random_writes_leave_what_the_model_holds() {
    for seed in 0..4 {
        let mut random = Random::from_number(seed);
        let (dir, mut model) = (Dir::new(), Model::default());
        let mut secret = None;
        for _ in 0..5 {
            let opened = open(&dir);
            model.restart(&opened);
            assert_eq!(*secret.get_or_insert(opened.loaded.secret), opened.loaded.secret);
            let count = random.below(150);
            for token in 0..count {
                let write = random_write(&mut random);
                model.apply(&write);
                opened.store.write(token, write);
            }
            for expected in 0..count {
                assert_eq!(opened.done.recv().expect("a completion"), (expected, Ok(())));
            }
            model.matches_calls(&opened);
            opened.store.shut_down();
        }
        assert_ne!(secret, Some([0; 32]));
    }
}

#[test]
fn calls_come_newest_first_and_page_by_page() {
    let dir = Dir::new();
    let opened = open(&dir);
    for number in 0..10 {
        opened.write(Write::PutCall(call(&format!("SCL_{number}"), number))).expect("stored");
    }
    let reader = opened.store.reader();
    let ids = |limit, before| -> Vec<i64> {
        reader.calls(limit, before).expect("calls").iter().map(|call| call.created_at_ms).collect()
    };
    assert_eq!(ids(3, None), [9, 8, 7]);
    assert_eq!(ids(3, Some(7)), [6, 5, 4]);
    assert_eq!(ids(0, None), [0_i64; 0]);
    assert_eq!(ids(99, Some(1)), [0]);
    assert!(reader.call("SCL_none").expect("call").is_none());
    assert!(reader.ladder("SCL_none").expect("ladder").is_empty());
}

#[test]
fn a_record_that_is_over_may_gain_receipts_but_never_opens_again() {
    let dir = Dir::new();
    let opened = open(&dir);
    let running = call("SCL_1", 10);
    let mut over = ended(running.clone(), 20);
    opened.write(Write::PutCall(over.clone())).expect("stored");
    opened.write(Write::PutCall(running)).expect("ignored, not failed");
    let reader = opened.store.reader();
    assert_eq!(reader.call("SCL_1").expect("call").expect("there").ended_at_ms, Some(20));
    over.room_name = "later".into();
    opened.write(Write::PutCall(over)).expect("stored");
    assert_eq!(reader.call("SCL_1").expect("call").expect("there").room_name, "later");
    assert_eq!(reader.calls(9, None).expect("calls").len(), 1);
}
