//! The decision about a call: accept, challenge or refuse.

use crate::{
    Directory, Dispatch, Explanation,
    explain::masked,
    record::{AnswerPolicy, InboundTrunk},
    trunk_match::Found,
};
use serde::{Deserialize, Serialize};
use trunkline_types::{Random, TrunkId};

/// What strangers are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strangers {
    /// 403.
    #[default]
    Forbid,
    /// Nothing.
    Silent,
}

/// What routing is configured with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A call needs a trunk; `false` is LiveKit's accept-without-trunk.
    pub require_trunk: bool,
    /// What strangers are told.
    pub strangers: Strangers,
    /// Keys the identities of hidden callers.
    pub secret: [u8; 32],
    /// When calls are answered unless trunk or rule say otherwise.
    pub default_answer_policy: AnswerPolicy,
    /// Mapped headers on the 200 to the far end's BYE, unless trunk or rule say otherwise.
    pub headers_on_200_to_bye: bool,
    /// The status when nobody takes a call, unless trunk or rule say otherwise.
    pub no_answer_status: u16,
    /// How long last words may delay a BYE, ms, unless trunk or rule say otherwise.
    pub drain_ms: u32,
    /// How long calls ring, unless the trunk says otherwise.
    pub ringing_timeout: std::time::Duration,
    /// How long calls may last, unless the trunk says otherwise.
    pub max_call_duration: std::time::Duration,
    /// Hosts that an inline trunk may call: names, addresses, `*.example.com` or `*`.
    pub inline_trunk_hosts: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            require_trunk: true,
            strangers: Strangers::Forbid,
            secret: [0; 32],
            default_answer_policy: AnswerPolicy::OnAudio,
            headers_on_200_to_bye: false,
            no_answer_status: 480,
            drain_ms: 1_500,
            ringing_timeout: trunkline_types::limits::RINGING_TIMEOUT,
            max_call_duration: trunkline_types::limits::MAX_CALL_DURATION,
            inline_trunk_hosts: Vec::new(),
        }
    }
}

/// What is known of a call when it arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallFacts {
    /// The user part of From.
    pub from: String,
    /// The host of From.
    pub from_host: String,
    /// The user part of To.
    pub to: String,
    /// The source address, without port.
    pub source: String,
    /// The trunk whose digest the caller has shown.
    pub authenticated: Option<TrunkId>,
}

/// The decision.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Why.
    pub explanation: Explanation,
    /// What.
    pub outcome: Outcome,
}

/// What is known of the pin of a caller.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pin<'a> {
    /// He was not asked.
    Unknown,
    /// Empty if he wants a rule without one.
    Entered(&'a str),
}

/// What becomes of the call.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It rings.
    Accept(Box<Dispatch>),
    /// The caller has to enter a pin first: [`Directory::decide_with_pin`] has the last word. What
    /// is said here of the room and the rule is not meant for anybody yet.
    AskPin(Box<Dispatch>),
    /// The trunk wants to see a digest first.
    Challenge {
        /// The trunk.
        trunk: TrunkId,
        /// Of the challenge.
        realm: String,
        /// That must be shown.
        username: String,
        /// That must be known.
        password: String,
    },
    /// It does not come in.
    Refuse {
        /// 403 or 404.
        status: u16,
        /// The reason phrase.
        reason: String,
        /// `TRUNK_NO_MATCH`, `RULE_NO_MATCH`, `PIN_NO_MATCH`.
        code: &'static str,
        /// Say nothing at all.
        silent: bool,
    },
}

impl Directory {
    /// Decides about a call. Never fails and never panics, whatever the facts are.
    pub fn decide(&self, facts: &CallFacts, random: &mut Random) -> Decision {
        self.decide_given(facts, Pin::Unknown, random)
    }

    /// The same for a caller who has entered this pin; an empty one opens rules without a pin alone.
    /// The explanation never shows it.
    pub fn decide_with_pin(&self, facts: &CallFacts, pin: &str, random: &mut Random) -> Decision {
        self.decide_given(facts, Pin::Entered(pin), random)
    }

    fn decide_given(&self, facts: &CallFacts, pin: Pin<'_>, random: &mut Random) -> Decision {
        let found = self.find_trunk(facts);
        let mut explanation =
            Explanation { facts: facts.clone(), trunks: found.considered.clone(), ..Default::default() };
        let outcome = match found.trunk {
            None if self.settings.require_trunk => self.no_trunk(facts, &found, &mut explanation),
            None => self.dispatch_or_refuse(facts, None, pin, random, &mut explanation),
            Some(trunk) if needs_digest(trunk, facts) => {
                explanation.verdict = format!("trunk {} ({}) wants a digest (auth_username)", trunk.id, trunk.name);
                Outcome::Challenge {
                    trunk: trunk.id.clone(),
                    realm: if trunk.auth_realm.is_empty() { "trunkline".into() } else { trunk.auth_realm.clone() },
                    username: trunk.auth_username.clone(),
                    password: trunk.auth_password.clone(),
                }
            }
            Some(trunk) => self.dispatch_or_refuse(facts, Some(trunk), pin, random, &mut explanation),
        };
        Decision { explanation, outcome }
    }

    fn no_trunk(&self, facts: &CallFacts, found: &Found<'_>, explanation: &mut Explanation) -> Outcome {
        let closest = match &found.closest {
            Some(closest) => format!("the closest, {closest}"),
            None => "there is no trunk at all; create one with `trunkline trunk create`".into(),
        };
        explanation.verdict = format!("TRUNK_NO_MATCH: {} matched no trunk; {closest}", masked(&facts.to));
        let (status, reason) = if found.known { (404, "No trunk matches the call") } else { (403, "Forbidden") };
        Outcome::Refuse {
            status,
            reason: reason.into(),
            code: "TRUNK_NO_MATCH",
            silent: !found.known && self.settings.strangers == Strangers::Silent,
        }
    }

    fn dispatch_or_refuse(
        &self,
        facts: &CallFacts,
        trunk: Option<&InboundTrunk>,
        pin: Pin<'_>,
        random: &mut Random,
        explanation: &mut Explanation,
    ) -> Outcome {
        let (rule, considered) = self.find_rule(facts, trunk, pin);
        explanation.rules = considered;
        let via =
            trunk.map_or_else(|| "no trunk (require_trunk is off)".into(), |t| format!("trunk {} ({})", t.id, t.name));
        if let (None, Pin::Entered(_)) = (rule, pin) {
            explanation.verdict = format!("PIN_NO_MATCH: the caller came through {via}; no rule has the pin");
            return Outcome::Refuse { status: 403, reason: "Forbidden".into(), code: "PIN_NO_MATCH", silent: false };
        }
        let Some(rule) = rule else {
            let closest = explanation.rules.first().map_or_else(
                || "there is no rule for it; create one with `trunkline rule create`".into(),
                |c| format!("the closest, {} ({}), requires {}", c.id, c.name, c.why),
            );
            explanation.verdict = format!(
                "RULE_NO_MATCH: {} came through {via} and matched no dispatch rule; {closest}",
                masked(&facts.to)
            );
            return Outcome::Refuse {
                status: 404,
                reason: "No dispatch rule matches the call".into(),
                code: "RULE_NO_MATCH",
                silent: false,
            };
        };
        if pin == Pin::Unknown && rule.rule.as_ref().is_some_and(|r| !r.pin().is_empty()) {
            explanation.verdict = format!("asked for a pin, through {via}: rule {} ({}) wants one", rule.id, rule.name);
            return Outcome::AskPin(Box::new(self.dispatch(facts, trunk, rule, random)));
        }
        explanation.verdict = format!("accepted through {via} by rule {} ({})", rule.id, rule.name);
        Outcome::Accept(Box::new(self.dispatch(facts, trunk, rule, random)))
    }
}

fn needs_digest(trunk: &InboundTrunk, facts: &CallFacts) -> bool {
    !trunk.auth_username.is_empty() && facts.authenticated.as_ref() != Some(&trunk.id)
}
