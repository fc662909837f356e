//! The records, their indexes, and every change to them.

use crate::{
    Refusal, Settings, conflict,
    patch::{DispatchRulePatch, InboundTrunkPatch, ListFilter, OutboundTrunkPatch},
    record::{DispatchRule, InboundTrunk, Options, OutboundTrunk},
    validate,
};
use std::collections::{BTreeMap, BTreeSet};
use trunkline_types::{Random, RuleId, TrunkId, normalize_number};

/// A trunk of either kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum StoredTrunk {
    Inbound(Box<InboundTrunk>),
    Outbound(Box<OutboundTrunk>),
}

/// See the crate.
#[derive(Debug)]
pub struct Directory {
    pub(crate) settings: Settings,
    pub(crate) inbound: BTreeMap<TrunkId, InboundTrunk>,
    outbound: BTreeMap<TrunkId, OutboundTrunk>,
    pub(crate) rules: BTreeMap<RuleId, DispatchRule>,
    trunk_options: BTreeMap<TrunkId, Options>,
    rule_options: BTreeMap<RuleId, Options>,
    /// Normalised number called → trunks; "" for those without numbers.
    pub(crate) by_number: BTreeMap<String, BTreeSet<TrunkId>>,
    /// Trunk → rules; "" for rules for any trunk.
    pub(crate) rules_by_trunk: BTreeMap<TrunkId, BTreeSet<RuleId>>,
    /// Trunks that name source addresses.
    pub(crate) with_addresses: BTreeSet<TrunkId>,
}

impl Directory {
    /// An empty directory.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            inbound: BTreeMap::new(),
            outbound: BTreeMap::new(),
            rules: BTreeMap::new(),
            trunk_options: BTreeMap::new(),
            rule_options: BTreeMap::new(),
            by_number: BTreeMap::new(),
            rules_by_trunk: BTreeMap::new(),
            with_addresses: BTreeSet::new(),
        }
    }

    /// Takes what the store holds, as it is.
    pub fn load(
        &mut self,
        inbound: Vec<InboundTrunk>,
        outbound: Vec<OutboundTrunk>,
        rules: Vec<DispatchRule>,
        trunk_options: Vec<(TrunkId, Options)>,
        rule_options: Vec<(RuleId, Options)>,
    ) {
        for trunk in inbound {
            self.put_inbound(trunk);
        }
        self.outbound.extend(outbound.into_iter().map(|t| (t.id.clone(), t)));
        for rule in rules {
            self.put_rule(rule);
        }
        self.trunk_options.extend(trunk_options);
        self.rule_options.extend(rule_options);
    }

    fn put_inbound(&mut self, trunk: InboundTrunk) {
        self.take_inbound(&trunk.id.clone());
        for key in number_keys(&trunk.numbers) {
            self.by_number.entry(key).or_default().insert(trunk.id.clone());
        }
        if !trunk.allowed_addresses.is_empty() {
            self.with_addresses.insert(trunk.id.clone());
        }
        self.inbound.insert(trunk.id.clone(), trunk);
    }

    fn take_inbound(&mut self, id: &TrunkId) -> Option<InboundTrunk> {
        let trunk = self.inbound.remove(id)?;
        for key in number_keys(&trunk.numbers) {
            if let Some(ids) = self.by_number.get_mut(&key) {
                ids.remove(id);
                if ids.is_empty() {
                    self.by_number.remove(&key);
                }
            }
        }
        self.with_addresses.remove(id);
        Some(trunk)
    }

    fn put_rule(&mut self, rule: DispatchRule) {
        self.take_rule(&rule.id.clone());
        for key in trunk_keys(&rule) {
            self.rules_by_trunk.entry(key).or_default().insert(rule.id.clone());
        }
        self.rules.insert(rule.id.clone(), rule);
    }

    fn take_rule(&mut self, id: &RuleId) -> Option<DispatchRule> {
        let rule = self.rules.remove(id)?;
        for key in trunk_keys(&rule) {
            if let Some(ids) = self.rules_by_trunk.get_mut(&key) {
                ids.remove(id);
                if ids.is_empty() {
                    self.rules_by_trunk.remove(&key);
                }
            }
        }
        Some(rule)
    }

    /// `CreateSIPInboundTrunk`.
    ///
    /// # Errors
    /// A field is wrong, or another trunk claims the same calls.
    pub fn create_inbound(
        &mut self,
        trunk: InboundTrunk,
        random: &mut Random,
        now_ms: i64,
    ) -> Result<InboundTrunk, Refusal> {
        if !trunk.id.is_empty() {
            return Err(Refusal::invalid("sip_trunk_id", "must be empty; the server draws it"));
        }
        let id = TrunkId::random(random);
        self.accept_inbound(InboundTrunk { id, created_at_ms: now_ms, updated_at_ms: now_ms, ..trunk }, "<new>")
    }

    /// `UpdateSIPInboundTrunk` with `replace`: the id stays.
    ///
    /// # Errors
    /// As [`Self::create_inbound`]; also if there is no such trunk.
    pub fn replace_inbound(&mut self, id: &TrunkId, trunk: InboundTrunk, now_ms: i64) -> Result<InboundTrunk, Refusal> {
        let held = self.inbound.get(id).ok_or_else(|| Refusal::not_found("trunk", id.as_str()))?;
        if !trunk.id.is_empty() && trunk.id != *id {
            return Err(Refusal::invalid("replace.sip_trunk_id", "must be empty or the trunk's own"));
        }
        let created_at_ms = held.created_at_ms;
        self.accept_inbound(InboundTrunk { id: id.clone(), created_at_ms, updated_at_ms: now_ms, ..trunk }, id.as_str())
    }

    /// `UpdateSIPInboundTrunk` with `update`.
    ///
    /// # Errors
    /// As [`Self::replace_inbound`]; also if a list change contradicts itself.
    pub fn patch_inbound(
        &mut self,
        id: &TrunkId,
        patch: InboundTrunkPatch,
        now_ms: i64,
    ) -> Result<InboundTrunk, Refusal> {
        let held = self.inbound.get(id).ok_or_else(|| Refusal::not_found("trunk", id.as_str()))?;
        let trunk = InboundTrunk { updated_at_ms: now_ms, ..patch.apply(held)? };
        self.accept_inbound(trunk, id.as_str())
    }

    fn accept_inbound(&mut self, trunk: InboundTrunk, shown_id: &str) -> Result<InboundTrunk, Refusal> {
        validate::inbound(&trunk)?;
        // A trunk with numbers can only clash with those that share one, one without only with its like.
        let rivals: BTreeSet<_> =
            number_keys(&trunk.numbers).iter().filter_map(|key| self.by_number.get(key)).flatten().collect();
        let rival = rivals
            .into_iter()
            .filter(|id| **id != trunk.id)
            .filter_map(|id| self.inbound.get(id))
            .find(|rival| conflict::trunks(&trunk, rival));
        if let Some(rival) = rival {
            let message = format!(
                "conflicting inbound SIP trunks: {shown_id:?} and {:?} take the same numbers from the same callers; \
                 change numbers or allowed_numbers of one",
                rival.id.as_str()
            );
            return Err(Refusal::invalid("numbers", message));
        }
        self.put_inbound(trunk.clone());
        Ok(trunk)
    }

    /// Puts back what was there before a change that could not be written.
    pub fn restore_inbound(&mut self, id: &TrunkId, before: Option<InboundTrunk>) {
        self.take_inbound(id);
        if let Some(trunk) = before {
            self.put_inbound(trunk);
        }
    }

    /// The inbound trunk of that id.
    pub fn inbound(&self, id: &TrunkId) -> Option<&InboundTrunk> {
        self.inbound.get(id)
    }

    /// `ListSIPInboundTrunk`.
    pub fn list_inbound(&self, filter: &ListFilter) -> Vec<InboundTrunk> {
        let wanted: BTreeSet<_> = filter.numbers.iter().map(|n| normalize_number(n)).collect();
        listed(
            &self.inbound,
            filter,
            |t| has_number(&t.numbers, &wanted),
            |id| InboundTrunk { id: TrunkId::from(id), ..Default::default() },
        )
    }

    /// `CreateSIPOutboundTrunk`.
    ///
    /// # Errors
    /// A field is wrong.
    pub fn create_outbound(
        &mut self,
        trunk: OutboundTrunk,
        random: &mut Random,
        now_ms: i64,
    ) -> Result<OutboundTrunk, Refusal> {
        if !trunk.id.is_empty() {
            return Err(Refusal::invalid("sip_trunk_id", "must be empty; the server draws it"));
        }
        let id = TrunkId::random(random);
        self.accept_outbound(OutboundTrunk { id, created_at_ms: now_ms, updated_at_ms: now_ms, ..trunk })
    }

    /// `UpdateSIPOutboundTrunk` with `replace`.
    ///
    /// # Errors
    /// As [`Self::create_outbound`]; also if there is no such trunk.
    pub fn replace_outbound(
        &mut self,
        id: &TrunkId,
        trunk: OutboundTrunk,
        now_ms: i64,
    ) -> Result<OutboundTrunk, Refusal> {
        let held = self.outbound.get(id).ok_or_else(|| Refusal::not_found("trunk", id.as_str()))?;
        if !trunk.id.is_empty() && trunk.id != *id {
            return Err(Refusal::invalid("replace.sip_trunk_id", "must be empty or the trunk's own"));
        }
        let created_at_ms = held.created_at_ms;
        self.accept_outbound(OutboundTrunk { id: id.clone(), created_at_ms, updated_at_ms: now_ms, ..trunk })
    }

    /// `UpdateSIPOutboundTrunk` with `update`.
    ///
    /// # Errors
    /// As [`Self::replace_outbound`]; also if a list change contradicts itself.
    pub fn patch_outbound(
        &mut self,
        id: &TrunkId,
        patch: OutboundTrunkPatch,
        now_ms: i64,
    ) -> Result<OutboundTrunk, Refusal> {
        let held = self.outbound.get(id).ok_or_else(|| Refusal::not_found("trunk", id.as_str()))?;
        let trunk = OutboundTrunk { updated_at_ms: now_ms, ..patch.apply(held)? };
        self.accept_outbound(trunk)
    }

    fn accept_outbound(&mut self, trunk: OutboundTrunk) -> Result<OutboundTrunk, Refusal> {
        validate::outbound(&trunk)?;
        self.outbound.insert(trunk.id.clone(), trunk.clone());
        Ok(trunk)
    }

    /// Puts back what was there before a change that could not be written.
    pub fn restore_outbound(&mut self, id: &TrunkId, before: Option<OutboundTrunk>) {
        self.outbound.remove(id);
        self.outbound.extend(before.map(|t| (id.clone(), t)));
    }

    /// The outbound trunk of that id.
    pub fn outbound(&self, id: &TrunkId) -> Option<&OutboundTrunk> {
        self.outbound.get(id)
    }

    /// All outbound trunks, by id.
    pub(crate) fn outbounds(&self) -> impl Iterator<Item = &OutboundTrunk> {
        self.outbound.values()
    }

    /// `ListSIPOutboundTrunk`.
    pub fn list_outbound(&self, filter: &ListFilter) -> Vec<OutboundTrunk> {
        let wanted: BTreeSet<_> = filter.numbers.iter().map(|n| normalize_number(n)).collect();
        listed(
            &self.outbound,
            filter,
            |t| has_number(&t.numbers, &wanted),
            |id| OutboundTrunk { id: TrunkId::from(id), ..Default::default() },
        )
    }

    /// `CreateSIPDispatchRule`.
    ///
    /// # Errors
    /// A field is wrong, or another rule claims the same calls.
    pub fn create_rule(
        &mut self,
        rule: DispatchRule,
        random: &mut Random,
        now_ms: i64,
    ) -> Result<DispatchRule, Refusal> {
        if !rule.id.is_empty() {
            return Err(Refusal::invalid("sip_dispatch_rule_id", "must be empty; the server draws it"));
        }
        let id = RuleId::random(random);
        self.accept_rule(DispatchRule { id, created_at_ms: now_ms, updated_at_ms: now_ms, ..rule }, "<new>")
    }

    /// `UpdateSIPDispatchRule` with `replace`.
    ///
    /// # Errors
    /// As [`Self::create_rule`]; also if there is no such rule.
    pub fn replace_rule(&mut self, id: &RuleId, rule: DispatchRule, now_ms: i64) -> Result<DispatchRule, Refusal> {
        let held = self.rules.get(id).ok_or_else(|| Refusal::not_found("dispatch rule", id.as_str()))?;
        if !rule.id.is_empty() && rule.id != *id {
            return Err(Refusal::invalid("replace.sip_dispatch_rule_id", "must be empty or the rule's own"));
        }
        let created_at_ms = held.created_at_ms;
        self.accept_rule(DispatchRule { id: id.clone(), created_at_ms, updated_at_ms: now_ms, ..rule }, id.as_str())
    }

    /// `UpdateSIPDispatchRule` with `update`.
    ///
    /// # Errors
    /// As [`Self::replace_rule`]; also if a list change contradicts itself.
    pub fn patch_rule(&mut self, id: &RuleId, patch: DispatchRulePatch, now_ms: i64) -> Result<DispatchRule, Refusal> {
        let held = self.rules.get(id).ok_or_else(|| Refusal::not_found("dispatch rule", id.as_str()))?;
        let rule = DispatchRule { updated_at_ms: now_ms, ..patch.apply(held)? };
        self.accept_rule(rule, id.as_str())
    }

    fn accept_rule(&mut self, rule: DispatchRule, shown_id: &str) -> Result<DispatchRule, Refusal> {
        validate::rule(&rule)?;
        if let Some(rival) = self.rules.values().find(|rival| rival.id != rule.id && conflict::rules(&rule, rival)) {
            let message = format!(
                "conflicting dispatch rules: {shown_id:?} and {:?} take the same calls; change trunk_ids, numbers, \
                 inbound_numbers or the pin of one",
                rival.id.as_str()
            );
            return Err(Refusal::invalid("rule", message));
        }
        self.put_rule(rule.clone());
        Ok(rule)
    }

    /// Puts back what was there before a change that could not be written.
    pub fn restore_rule(&mut self, id: &RuleId, before: Option<DispatchRule>) {
        self.take_rule(id);
        if let Some(rule) = before {
            self.put_rule(rule);
        }
    }

    /// The rule of that id.
    pub fn rule(&self, id: &RuleId) -> Option<&DispatchRule> {
        self.rules.get(id)
    }

    /// `ListSIPDispatchRule`.
    pub fn list_rules(&self, filter: &ListFilter) -> Vec<DispatchRule> {
        let passes = |rule: &DispatchRule| {
            filter.trunk_ids.is_empty()
                || rule.trunk_ids.is_empty()
                || rule.trunk_ids.iter().any(|id| filter.trunk_ids.iter().any(|wanted| wanted == id.as_str()))
        };
        listed(&self.rules, filter, passes, |id| DispatchRule { id: RuleId::from(id), ..Default::default() })
    }

    /// `DeleteSIPTrunk`: whatever trunk has that id.
    pub fn delete_trunk(&mut self, id: &TrunkId) -> Option<StoredTrunk> {
        self.take_inbound(id)
            .map(|t| StoredTrunk::Inbound(Box::new(t)))
            .or_else(|| self.outbound.remove(id).map(|t| StoredTrunk::Outbound(Box::new(t))))
    }

    /// `DeleteSIPDispatchRule`.
    ///
    /// # Errors
    /// There is no such rule.
    pub fn delete_rule(&mut self, id: &RuleId) -> Result<DispatchRule, Refusal> {
        self.take_rule(id).ok_or_else(|| Refusal::not_found("dispatch rule", id.as_str()))
    }

    /// Our own options of a trunk.
    pub fn trunk_options(&self, id: &TrunkId) -> Options {
        self.trunk_options.get(id).cloned().unwrap_or_default()
    }

    /// Sets them; the previous ones come back.
    pub fn set_trunk_options(&mut self, id: TrunkId, options: Options) -> Options {
        self.trunk_options.insert(id, options).unwrap_or_default()
    }

    /// Our own options of a rule.
    pub fn rule_options(&self, id: &RuleId) -> Options {
        self.rule_options.get(id).cloned().unwrap_or_default()
    }

    /// Sets them; the previous ones come back.
    pub fn set_rule_options(&mut self, id: RuleId, options: Options) -> Options {
        self.rule_options.insert(id, options).unwrap_or_default()
    }

    /// Whether some trunk names this source address.
    pub fn is_known_source(&self, source: &str) -> bool {
        self.with_addresses
            .iter()
            .filter_map(|id| self.inbound.get(id))
            .any(|trunk| crate::address::any_contains(&trunk.allowed_addresses, source))
    }
}

fn number_keys(numbers: &[String]) -> BTreeSet<String> {
    if numbers.is_empty() {
        BTreeSet::from([String::new()])
    } else {
        numbers.iter().map(|n| normalize_number(n)).collect()
    }
}

fn trunk_keys(rule: &DispatchRule) -> Vec<TrunkId> {
    if rule.trunk_ids.is_empty() { vec![TrunkId::default()] } else { rule.trunk_ids.clone() }
}

fn has_number(numbers: &[String], wanted: &BTreeSet<String>) -> bool {
    wanted.is_empty() || numbers.is_empty() || numbers.iter().any(|n| wanted.contains(&normalize_number(n)))
}

/// The list methods: ids in the order asked for, with placeholders; else sorted, behind the cursor.
fn listed<Id, T>(
    records: &BTreeMap<Id, T>,
    filter: &ListFilter,
    passes: impl Fn(&T) -> bool,
    placeholder: impl Fn(&str) -> T,
) -> Vec<T>
where
    Id: Ord + std::borrow::Borrow<str> + AsRef<str>,
    T: Clone,
{
    let limit = if filter.limit == 0 { usize::MAX } else { filter.limit };
    if !filter.ids.is_empty() {
        return filter
            .ids
            .iter()
            .map(|id| records.get(id.as_str()).filter(|r| passes(r)).cloned().unwrap_or_else(|| placeholder(id)))
            .take(limit)
            .collect();
    }
    records
        .iter()
        .filter(|(id, record)| id.as_ref() > filter.after_id.as_str() && passes(record))
        .map(|(_, record)| record.clone())
        .take(limit)
        .collect()
}
