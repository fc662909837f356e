//! Which dispatch rule a call takes, and what the rule makes of it.

use crate::{
    CallFacts, Considered, Directory,
    decide::Pin,
    explain::{MISSES, masked},
    record::{DispatchRule, InboundTrunk, MediaConfig, MediaEncryption, Options, Rule},
};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::{collections::BTreeMap, fmt::Write, time::Duration};
use trunkline_types::{Random, TrunkId, limits, normalize_number};

/// What an accepted call is given.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// The trunk it came through.
    pub trunk: Option<InboundTrunk>,
    /// The rule that took it.
    pub rule: DispatchRule,
    /// The rule's options over the trunk's over the configuration's; all are stated.
    pub options: Options,
    /// The room.
    pub room_name: String,
    /// The participant's identity.
    pub identity: String,
    /// The participant's name.
    pub name: String,
    /// The participant's metadata.
    pub metadata: String,
    /// The rule's attributes, the ids, and the numbers unless they are hidden.
    pub attributes: BTreeMap<String, String>,
    /// The caller's number is hidden.
    pub hidden: bool,
    /// The trunk's media under the rule's.
    pub media: MediaConfig,
    /// How long to ring.
    pub ringing_timeout: Duration,
    /// How long the call may last.
    pub max_call_duration: Duration,
}

impl Directory {
    pub(crate) fn find_rule(
        &self,
        facts: &CallFacts,
        trunk: Option<&InboundTrunk>,
        pin: Pin<'_>,
    ) -> (Option<&DispatchRule>, Vec<Considered>) {
        let of_trunk = trunk.and_then(|t| self.rules_by_trunk.get(&t.id)).into_iter().flatten();
        let of_any = self.rules_by_trunk.get(&TrunkId::default()).into_iter().flatten();
        let mut considered = Vec::new();
        let mut best: Option<(Rank, &DispatchRule)> = None;
        for rule in of_trunk.chain(of_any).filter_map(|id| self.rules.get(id)) {
            let miss = miss(rule, facts, pin);
            let rank = rank(rule);
            if considered.len() < MISSES || miss.is_none() {
                let (field, why) = miss.clone().unwrap_or(("trunk_ids", "trunk and numbers fit".into()));
                considered.push(Considered {
                    id: rule.id.to_string(),
                    name: rule.name.clone(),
                    matched: miss.is_none(),
                    field: field.into(),
                    why,
                });
            }
            if miss.is_none() && best.as_ref().is_none_or(|(held, _)| rank < *held) {
                best = Some((rank, rule));
            }
        }
        (best.map(|(_, rule)| rule), considered)
    }

    pub(crate) fn dispatch(
        &self,
        facts: &CallFacts,
        trunk: Option<&InboundTrunk>,
        rule: &DispatchRule,
        random: &mut Random,
    ) -> Dispatch {
        let hidden = rule.hide_phone_number;
        let caller = if facts.from.is_empty() { "anonymous" } else { facts.from.as_str() };
        let shown = if hidden { self.pseudonym(caller) } else { caller.to_owned() };
        let mut attributes = rule.attributes.clone();
        attributes.insert("sip.ruleID".into(), rule.id.to_string());
        if let Some(trunk) = trunk {
            attributes.insert("sip.trunkID".into(), trunk.id.to_string());
        }
        if !hidden {
            attributes.insert("sip.phoneNumber".into(), facts.from.clone());
            attributes.insert("sip.hostname".into(), facts.from_host.clone());
            attributes.insert("sip.trunkPhoneNumber".into(), facts.to.clone());
        }
        let or = |given: Option<Duration>, default| given.filter(|d| !d.is_zero()).unwrap_or(default);
        let settings = &self.settings;
        Dispatch {
            trunk: trunk.cloned(),
            rule: rule.clone(),
            options: self.options(trunk, rule),
            room_name: room_name(rule, &shown, &facts.to, random),
            identity: format!("sip_{shown}"),
            name: if hidden { "Phone".into() } else { format!("Phone {caller}") },
            metadata: rule.metadata.clone(),
            attributes,
            hidden,
            media: merged(trunk, rule),
            ringing_timeout: or(trunk.and_then(|t| t.ringing_timeout), settings.ringing_timeout),
            max_call_duration: or(trunk.and_then(|t| t.max_call_duration), settings.max_call_duration)
                .min(limits::MAX_CALL_DURATION),
        }
    }

    fn options(&self, trunk: Option<&InboundTrunk>, rule: &DispatchRule) -> Options {
        let of_rule = self.rule_options(&rule.id);
        let of_trunk = trunk.map(|t| self.trunk_options(&t.id)).unwrap_or_default();
        let settings = &self.settings;
        let by_default = Options {
            answer_policy: Some(settings.default_answer_policy),
            headers_on_200_to_bye: Some(settings.headers_on_200_to_bye),
            // LiveKit's own field, where our option does not say otherwise.
            no_answer_status: trunk
                .map(|t| t.ringing_timeout_status)
                .filter(|status| *status != 0)
                .or(Some(settings.no_answer_status)),
            drain_ms: Some(settings.drain_ms),
            ..Options::default()
        };
        of_rule.or(of_trunk).or(by_default)
    }

    /// A name that is the same for the same number and says nothing about it.
    pub fn pseudonym(&self, caller: &str) -> String {
        let mut text = String::with_capacity(16);
        // HMAC takes keys of any length.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.settings.secret) {
            mac.update(caller.as_bytes());
            for byte in mac.finalize().into_bytes().iter().take(8) {
                let _ = write!(text, "{byte:02x}");
            }
        }
        text
    }
}

/// Rules for this trunk before rules for any; then LiveKit's priorities; then the smaller name.
type Rank = (bool, u32, String);

fn rank(rule: &DispatchRule) -> Rank {
    let (kind, pin, name) = match &rule.rule {
        Some(Rule::Direct { room_name, pin }) => (0, pin.as_str(), room_name.clone()),
        Some(Rule::Individual { room_prefix, pin, .. }) => (1, pin.as_str(), room_prefix.clone()),
        Some(Rule::Callee { room_prefix, pin, .. }) => (2, pin.as_str(), room_prefix.clone()),
        None => (3, "", String::new()),
    };
    let mut priority = kind;
    if pin.is_empty() {
        priority += 100;
    }
    if rule.inbound_numbers.is_empty() {
        priority += 1000;
    }
    if rule.numbers.is_empty() {
        priority += 1000;
    }
    (rule.trunk_ids.is_empty(), priority, name)
}

fn miss(rule: &DispatchRule, facts: &CallFacts, pin: Pin<'_>) -> Option<(&'static str, String)> {
    let lacks = |numbers: &[String], number: &str| {
        !numbers.is_empty() && !numbers.iter().any(|n| normalize_number(n) == normalize_number(number))
    };
    let few = |numbers: &[String]| numbers.iter().take(3).map(|n| masked(n)).collect::<Vec<_>>().join(" or ");
    if lacks(&rule.inbound_numbers, &facts.from) {
        return Some(("inbound_numbers", format!("the caller {}", few(&rule.inbound_numbers))));
    }
    if lacks(&rule.numbers, &facts.to) {
        return Some(("numbers", format!("the number {}", few(&rule.numbers))));
    }
    match (pin, rule.rule.as_ref().map_or("", Rule::pin)) {
        (Pin::Entered(entered), wanted) if entered != wanted => {
            Some(("pin", if wanted.is_empty() { "no pin" } else { "another pin" }.into()))
        }
        _ => None,
    }
}

fn room_name(rule: &DispatchRule, caller: &str, called: &str, random: &mut Random) -> String {
    let prefixed =
        |prefix: &str, name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}_{name}") };
    match &rule.rule {
        Some(Rule::Direct { room_name, .. }) => room_name.clone(),
        Some(Rule::Individual { room_prefix, no_randomness, .. }) => {
            let name = prefixed(room_prefix, caller);
            if *no_randomness { name } else { random.id(&format!("{name}_")) }
        }
        Some(Rule::Callee { room_prefix, randomize, .. }) => {
            let name = prefixed(room_prefix, called);
            if *randomize { random.id(&format!("{name}_")) } else { name }
        }
        None => random.id("call_"),
    }
}

/// The rule's media over the trunk's.
fn merged(trunk: Option<&InboundTrunk>, rule: &DispatchRule) -> MediaConfig {
    merge_media(trunk.and_then(|t| t.media.clone()).unwrap_or_default(), rule.media.clone())
}

/// One media configuration over another: encryption, timeout and codecs are inherited where unset.
pub(crate) fn merge_media(base: MediaConfig, over: Option<MediaConfig>) -> MediaConfig {
    let Some(over) = over else { return base };
    let (codecs, only_listed_codecs) = match over.codecs.is_empty() {
        true => (base.codecs, base.only_listed_codecs),
        false => (over.codecs, over.only_listed_codecs),
    };
    let encryption = match (base.encryption, over.encryption) {
        (Some(held), None | Some(MediaEncryption::SipMediaEncryptDisable)) => Some(held),
        (_, stated) => stated,
    };
    let media_timeout = over.media_timeout.filter(|t| !t.is_zero()).or(base.media_timeout);
    MediaConfig { only_listed_codecs, codecs, encryption, media_timeout }
}
