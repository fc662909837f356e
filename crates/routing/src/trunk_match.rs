//! Which trunk a call comes through: the more specific one wins.

use crate::{
    CallFacts, Considered, Directory, address,
    explain::{MISSES, masked},
    record::InboundTrunk,
};
use trunkline_types::normalize_number;

/// What was found.
pub(crate) struct Found<'a> {
    pub(crate) trunk: Option<&'a InboundTrunk>,
    pub(crate) considered: Vec<Considered>,
    /// The trunk that came closest, and what it wanted.
    pub(crate) closest: Option<String>,
    /// The caller is known to some trunk: by number and address, or by address alone.
    pub(crate) known: bool,
}

/// Number and caller named beats number, which beats neither; then the smaller id.
fn specificity(trunk: &InboundTrunk) -> (bool, bool) {
    (!trunk.numbers.is_empty(), !trunk.allowed_numbers.is_empty())
}

impl Directory {
    pub(crate) fn find_trunk(&self, facts: &CallFacts) -> Found<'_> {
        let called = normalize_number(&facts.to);
        let candidates: Vec<_> = [called.as_str(), ""]
            .iter()
            .filter_map(|key| self.by_number.get(*key))
            .flatten()
            .filter_map(|id| self.inbound.get(id))
            .collect();
        let mut considered = Vec::new();
        let mut best: Option<&InboundTrunk> = None;
        let mut closest = None;
        let mut misses = 0;
        for trunk in candidates {
            let miss = miss(trunk, facts);
            if miss.is_none() && best.is_none_or(|held| specificity(trunk) > specificity(held)) {
                best = Some(trunk);
            }
            let (matched, field, why) = match miss {
                None => (true, "numbers", "number, caller and source fit".to_owned()),
                Some((field, why)) => {
                    closest.get_or_insert_with(|| format!("{} ({}), requires {why}", trunk.id, trunk.name));
                    misses += 1;
                    (false, field, why)
                }
            };
            if matched || misses <= MISSES {
                let (id, name) = (trunk.id.to_string(), trunk.name.clone());
                considered.push(Considered { id, name, matched, field: field.into(), why });
            }
        }
        let mut known = best.is_some();
        if best.is_none() {
            known = self.is_known_source(&facts.source);
            if closest.is_none() {
                closest = self.nearest_by_number(facts, &mut considered);
            }
        }
        Found { trunk: best, considered, closest, known }
    }

    /// No trunk lists the number: the one the source belongs to, else the next number, came closest.
    fn nearest_by_number(&self, facts: &CallFacts, considered: &mut Vec<Considered>) -> Option<String> {
        let called = normalize_number(&facts.to);
        let by_source = self
            .with_addresses
            .iter()
            .filter_map(|id| self.inbound.get(id))
            .find(|t| address::any_contains(&t.allowed_addresses, &facts.source));
        let next = || {
            let after = self.by_number.range(called.clone()..).next();
            let before = self.by_number.range(..called.clone()).next_back();
            let shared = |key: &str| key.bytes().zip(called.bytes()).take_while(|(a, b)| a == b).count();
            let near = after.into_iter().chain(before).max_by_key(|(key, _)| shared(key))?;
            near.1.first().and_then(|id| self.inbound.get(id))
        };
        let trunk = by_source.or_else(next)?;
        let listed: Vec<_> = trunk.numbers.iter().take(3).map(|n| masked(n)).collect();
        let why = format!("one of the numbers {}", listed.join(", "));
        considered.push(Considered {
            id: trunk.id.to_string(),
            name: trunk.name.clone(),
            matched: false,
            field: "numbers".into(),
            why: why.clone(),
        });
        Some(format!("{} ({}), requires {why}", trunk.id, trunk.name))
    }
}

/// What keeps a trunk from taking a call whose number it takes: the field, and what it wants.
fn miss(trunk: &InboundTrunk, facts: &CallFacts) -> Option<(&'static str, String)> {
    let caller = normalize_number(&facts.from);
    if !trunk.allowed_addresses.is_empty() && !address::any_contains(&trunk.allowed_addresses, &facts.source) {
        let few: Vec<_> = trunk.allowed_addresses.iter().take(3).cloned().collect();
        return Some(("allowed_addresses", format!("the source {}", few.join(" or "))));
    }
    if !trunk.allowed_numbers.is_empty() && !trunk.allowed_numbers.iter().any(|n| normalize_number(n) == caller) {
        let few: Vec<_> = trunk.allowed_numbers.iter().take(3).map(|n| masked(n)).collect();
        return Some(("allowed_numbers", format!("the caller {}", few.join(" or "))));
    }
    if trunk.auth_username.is_empty() != trunk.auth_password.is_empty() {
        return Some(("auth_password", "both auth_username and auth_password".into()));
    }
    None
}
