//! Changes to stored records: LiveKit's patch messages and list filters.

use crate::{
    Refusal,
    record::{DispatchRule, InboundTrunk, MediaConfig, MediaEncryption, OutboundTrunk, Rule},
};
use std::collections::BTreeMap;
use trunkline_types::TrunkId;

/// LiveKit's `ListUpdate`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListUpdate {
    /// Replaces the list.
    pub set: Vec<String>,
    /// Appended if absent.
    pub add: Vec<String>,
    /// First occurrence deleted.
    pub remove: Vec<String>,
    /// Empties the list.
    pub clear: bool,
}

/// LiveKit's `SIPInboundTrunkUpdate`: `None` keeps.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the fields are those of InboundTrunk")]
pub struct InboundTrunkPatch {
    pub numbers: Option<ListUpdate>,
    pub allowed_addresses: Option<ListUpdate>,
    pub allowed_numbers: Option<ListUpdate>,
    pub auth_username: Option<String>,
    pub auth_password: Option<String>,
    pub auth_realm: Option<String>,
    pub name: Option<String>,
    pub metadata: Option<String>,
    pub media_encryption: Option<MediaEncryption>,
    pub media: Option<MediaConfig>,
}

/// LiveKit's `SIPOutboundTrunkUpdate`: `None` keeps.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the fields are those of OutboundTrunk")]
pub struct OutboundTrunkPatch {
    pub address: Option<String>,
    pub transport: Option<i32>,
    pub destination_country: Option<String>,
    pub numbers: Option<ListUpdate>,
    pub auth_username: Option<String>,
    pub auth_password: Option<String>,
    pub name: Option<String>,
    pub metadata: Option<String>,
    pub from_host: Option<String>,
    pub media_encryption: Option<MediaEncryption>,
    pub media: Option<MediaConfig>,
}

/// LiveKit's `SIPDispatchRuleUpdate`: `None` keeps; an empty attribute value deletes the key.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the fields are those of DispatchRule")]
pub struct DispatchRulePatch {
    pub trunk_ids: Option<ListUpdate>,
    pub rule: Option<Rule>,
    pub name: Option<String>,
    pub metadata: Option<String>,
    pub attributes: BTreeMap<String, String>,
    pub media_encryption: Option<MediaEncryption>,
    pub media: Option<MediaConfig>,
}

/// The filters of LiveKit's list methods. Empty means: no filter.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// Exactly these ids, in this order, with empty records for unknown ones.
    pub ids: Vec<String>,
    /// Trunks by number, compared normalised; trunks without numbers always pass.
    pub numbers: Vec<String>,
    /// Rules by trunk; rules without trunks always pass.
    pub trunk_ids: Vec<String>,
    /// Only ids behind this one.
    pub after_id: String,
    /// At most this many; 0 for all.
    pub limit: usize,
}

/// Replace the record or change some of its fields.
#[derive(Clone, Debug)]
pub enum Update<Whole, Patch> {
    /// The whole record; its id stays.
    Replace(Box<Whole>),
    /// Some fields.
    Patch(Box<Patch>),
}

impl ListUpdate {
    /// Applies the change: `clear`, or `set`, or removals and then additions.
    ///
    /// # Errors
    /// Nothing is stated, the statements contradict each other, or an element is empty.
    pub fn apply(&self, field: &str, list: &[String]) -> Result<Vec<String>, Refusal> {
        let changes = !self.add.is_empty() || !self.remove.is_empty();
        let stated = usize::from(self.clear) + usize::from(!self.set.is_empty()) + usize::from(changes);
        if stated != 1 {
            return Err(Refusal::invalid(field, "state one of set, clear, or add and remove"));
        }
        if self.set.iter().chain(&self.add).chain(&self.remove).any(String::is_empty) {
            return Err(Refusal::invalid(field, "an element is empty"));
        }
        if self.clear || !self.set.is_empty() {
            return Ok(self.set.clone());
        }
        let mut list = list.to_vec();
        for item in &self.remove {
            if let Some(at) = list.iter().position(|held| held == item) {
                list.remove(at);
            }
        }
        for item in &self.add {
            if !list.contains(item) {
                list.push(item.clone());
            }
        }
        Ok(list)
    }
}

fn list(field: &str, update: Option<&ListUpdate>, list: &mut Vec<String>) -> Result<(), Refusal> {
    if let Some(update) = update {
        *list = update.apply(field, list)?;
    }
    Ok(())
}

fn set<T>(value: Option<T>, field: &mut T) {
    if let Some(value) = value {
        *field = value;
    }
}

impl InboundTrunkPatch {
    /// The trunk with the stated fields changed.
    ///
    /// # Errors
    /// A list change that contradicts itself.
    pub fn apply(self, trunk: &InboundTrunk) -> Result<InboundTrunk, Refusal> {
        let mut trunk = trunk.clone();
        list("numbers", self.numbers.as_ref(), &mut trunk.numbers)?;
        list("allowed_addresses", self.allowed_addresses.as_ref(), &mut trunk.allowed_addresses)?;
        list("allowed_numbers", self.allowed_numbers.as_ref(), &mut trunk.allowed_numbers)?;
        set(self.auth_username, &mut trunk.auth_username);
        set(self.auth_password, &mut trunk.auth_password);
        set(self.auth_realm, &mut trunk.auth_realm);
        set(self.name, &mut trunk.name);
        set(self.metadata, &mut trunk.metadata);
        set(self.media.map(Some), &mut trunk.media);
        set(self.media_encryption, &mut trunk.media_encryption);
        Ok(trunk)
    }
}

impl OutboundTrunkPatch {
    /// The trunk with the stated fields changed.
    ///
    /// # Errors
    /// A list change that contradicts itself.
    pub fn apply(self, trunk: &OutboundTrunk) -> Result<OutboundTrunk, Refusal> {
        let mut trunk = trunk.clone();
        list("numbers", self.numbers.as_ref(), &mut trunk.numbers)?;
        set(self.address, &mut trunk.address);
        set(self.transport, &mut trunk.transport);
        set(self.destination_country, &mut trunk.destination_country);
        set(self.auth_username, &mut trunk.auth_username);
        set(self.auth_password, &mut trunk.auth_password);
        set(self.name, &mut trunk.name);
        set(self.metadata, &mut trunk.metadata);
        set(self.from_host, &mut trunk.from_host);
        set(self.media.map(Some), &mut trunk.media);
        set(self.media_encryption, &mut trunk.media_encryption);
        Ok(trunk)
    }
}

impl DispatchRulePatch {
    /// The rule with the stated fields changed.
    ///
    /// # Errors
    /// A list change that contradicts itself.
    pub fn apply(self, rule: &DispatchRule) -> Result<DispatchRule, Refusal> {
        let mut rule = rule.clone();
        let mut trunk_ids: Vec<_> = rule.trunk_ids.iter().map(ToString::to_string).collect();
        list("trunk_ids", self.trunk_ids.as_ref(), &mut trunk_ids)?;
        rule.trunk_ids = trunk_ids.into_iter().map(TrunkId::from).collect();
        set(self.rule.map(Some), &mut rule.rule);
        set(self.name, &mut rule.name);
        set(self.metadata, &mut rule.metadata);
        for (key, value) in self.attributes {
            if value.is_empty() {
                rule.attributes.remove(&key);
            } else {
                rule.attributes.insert(key, value);
            }
        }
        set(self.media.map(Some), &mut rule.media);
        set(self.media_encryption, &mut rule.media_encryption);
        Ok(rule)
    }
}
