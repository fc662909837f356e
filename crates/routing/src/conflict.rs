//! Two records that claim the same calls (LiveKit's rule): each expands to buckets, and no bucket
//! may hold two.

use crate::record::{DispatchRule, InboundTrunk};
use std::collections::BTreeSet;
use trunkline_types::normalize_number;

fn keys(numbers: &[String]) -> BTreeSet<String> {
    if numbers.is_empty() {
        BTreeSet::from([String::new()])
    } else {
        numbers.iter().map(|n| normalize_number(n)).collect()
    }
}

fn meet(a: &[String], b: &[String]) -> bool {
    !keys(a).is_disjoint(&keys(b))
}

/// Whether two inbound trunks claim the same calls.
pub(crate) fn trunks(a: &InboundTrunk, b: &InboundTrunk) -> bool {
    meet(&a.numbers, &b.numbers) && meet(&a.allowed_numbers, &b.allowed_numbers)
}

/// Whether two rules claim the same calls.
pub(crate) fn rules(a: &DispatchRule, b: &DispatchRule) -> bool {
    let pin = |r: &DispatchRule| r.rule.as_ref().map(|rule| rule.pin().to_owned()).unwrap_or_default();
    let trunks = |r: &DispatchRule| r.trunk_ids.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let (ours, theirs) = (trunks(a), trunks(b));
    let same_trunk = (ours.is_empty() && theirs.is_empty()) || !ours.is_disjoint(&theirs);
    pin(a) == pin(b) && same_trunk && meet(&a.inbound_numbers, &b.inbound_numbers) && meet(&a.numbers, &b.numbers)
}
