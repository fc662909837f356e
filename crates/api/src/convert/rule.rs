//! Dispatch rules: LiveKit's `SIPDispatchRuleInfo`, its update, and the deprecated flat fields of
//! `CreateSIPDispatchRuleRequest`.

#![expect(deprecated, reason = "deprecated fields of LiveKit's messages are kept both ways")]

use super::media::{
    deprecated_encryption, encryption_from, folded_media, list_update, media, media_from, millis_from, sorted,
    timestamp,
};
use crate::twirp::TwirpError;
use livekit_protocol::{self as proto, sip_dispatch_rule::Rule as ProtoRule};
use prost::Message;
use trunkline_routing::{
    patch::DispatchRulePatch,
    record::{AgentDispatch, DispatchRule, RoomConfig, Rule},
};

/// Reads a rule.
pub(crate) fn dispatch_rule_from(info: proto::SipDispatchRuleInfo) -> Result<DispatchRule, TwirpError> {
    let media_encryption = encryption_from("media_encryption", info.media_encryption)?;
    Ok(DispatchRule {
        id: info.sip_dispatch_rule_id.into(),
        name: info.name,
        metadata: info.metadata,
        rule: info.rule.and_then(rule_from),
        trunk_ids: info.trunk_ids.into_iter().map(Into::into).collect(),
        hide_phone_number: info.hide_phone_number,
        inbound_numbers: info.inbound_numbers,
        numbers: info.numbers,
        attributes: sorted(info.attributes),
        room_preset: info.room_preset,
        room_config_proto: info.room_config.as_ref().map(Message::encode_to_vec).unwrap_or_default(),
        room_config: info.room_config.map(room_config_from),
        krisp_enabled: info.krisp_enabled,
        media_encryption,
        media: folded_media(info.media, media_encryption)?,
        created_at_ms: millis_from(info.created_at),
        updated_at_ms: millis_from(info.updated_at),
    })
}

/// Writes a rule.
pub(crate) fn dispatch_rule(record: &DispatchRule) -> proto::SipDispatchRuleInfo {
    proto::SipDispatchRuleInfo {
        sip_dispatch_rule_id: record.id.as_str().to_owned(),
        rule: record.rule.as_ref().map(rule),
        trunk_ids: record.trunk_ids.iter().map(ToString::to_string).collect(),
        hide_phone_number: record.hide_phone_number,
        inbound_numbers: record.inbound_numbers.clone(),
        numbers: record.numbers.clone(),
        name: record.name.clone(),
        metadata: record.metadata.clone(),
        attributes: record.attributes.clone().into_iter().collect(),
        room_preset: record.room_preset.clone(),
        room_config: room_config(record),
        media: record.media.as_ref().map(media),
        krisp_enabled: record.krisp_enabled,
        media_encryption: deprecated_encryption(record.media.as_ref(), record.media_encryption),
        created_at: timestamp(record.created_at_ms),
        updated_at: timestamp(record.updated_at_ms),
    }
}

/// The rule of a creation in the old style, where its fields stand in the request itself.
pub(crate) fn legacy_dispatch_rule(request: proto::CreateSipDispatchRuleRequest) -> proto::SipDispatchRuleInfo {
    proto::SipDispatchRuleInfo {
        rule: request.rule,
        trunk_ids: request.trunk_ids,
        hide_phone_number: request.hide_phone_number,
        inbound_numbers: request.inbound_numbers,
        name: request.name,
        metadata: request.metadata,
        attributes: request.attributes,
        room_preset: request.room_preset,
        room_config: request.room_config,
        ..Default::default()
    }
}

/// Reads `SIPDispatchRuleUpdate`.
pub(crate) fn dispatch_rule_patch(update: proto::SipDispatchRuleUpdate) -> Result<DispatchRulePatch, TwirpError> {
    let rule = match update.rule {
        None => None,
        Some(given) => Some(rule_from(given).ok_or_else(|| TwirpError::invalid("update.rule", "is empty"))?),
    };
    Ok(DispatchRulePatch {
        trunk_ids: update.trunk_ids.map(list_update),
        rule,
        name: update.name,
        metadata: update.metadata,
        attributes: sorted(update.attributes),
        media_encryption: update
            .media_encryption
            .map(|number| encryption_from("media_encryption", number))
            .transpose()?,
        media: update.media.map(media_from).transpose()?,
    })
}

fn rule_from(rule: proto::SipDispatchRule) -> Option<Rule> {
    Some(match rule.rule? {
        ProtoRule::DispatchRuleDirect(direct) => Rule::Direct { room_name: direct.room_name, pin: direct.pin },
        ProtoRule::DispatchRuleIndividual(individual) => Rule::Individual {
            room_prefix: individual.room_prefix,
            pin: individual.pin,
            no_randomness: individual.no_randomness,
        },
        ProtoRule::DispatchRuleCallee(callee) => {
            Rule::Callee { room_prefix: callee.room_prefix, pin: callee.pin, randomize: callee.randomize }
        }
    })
}

fn rule(rule: &Rule) -> proto::SipDispatchRule {
    let rule = match rule.clone() {
        Rule::Direct { room_name, pin } => {
            ProtoRule::DispatchRuleDirect(proto::SipDispatchRuleDirect { room_name, pin })
        }
        Rule::Individual { room_prefix, pin, no_randomness } => {
            ProtoRule::DispatchRuleIndividual(proto::SipDispatchRuleIndividual { room_prefix, pin, no_randomness })
        }
        Rule::Callee { room_prefix, pin, randomize } => {
            ProtoRule::DispatchRuleCallee(proto::SipDispatchRuleCallee { room_prefix, pin, randomize })
        }
    };
    proto::SipDispatchRule { rule: Some(rule) }
}

fn room_config_from(config: proto::RoomConfiguration) -> RoomConfig {
    let agent = |agent: proto::RoomAgentDispatch| AgentDispatch {
        never_restart: agent.restart_policy() == proto::JobRestartPolicy::JrpNever,
        agent_name: agent.agent_name,
        metadata: agent.metadata,
        deployment: agent.deployment,
        attributes: sorted(agent.attributes),
    };
    RoomConfig {
        name: config.name,
        empty_timeout: config.empty_timeout,
        departure_timeout: config.departure_timeout,
        max_participants: config.max_participants,
        metadata: config.metadata,
        agents: config.agents.into_iter().map(agent).collect(),
    }
}

/// The configuration as it was given; from the fields we know if it was not given as protobuf.
fn room_config(record: &DispatchRule) -> Option<proto::RoomConfiguration> {
    let known = record.room_config.as_ref()?;
    if !record.room_config_proto.is_empty()
        && let Ok(whole) = proto::RoomConfiguration::decode(record.room_config_proto.as_slice())
    {
        return Some(whole);
    }
    let agent = |agent: &AgentDispatch| proto::RoomAgentDispatch {
        agent_name: agent.agent_name.clone(),
        metadata: agent.metadata.clone(),
        deployment: agent.deployment.clone(),
        attributes: agent.attributes.clone().into_iter().collect(),
        restart_policy: i32::from(agent.never_restart),
    };
    Some(proto::RoomConfiguration {
        name: known.name.clone(),
        empty_timeout: known.empty_timeout,
        departure_timeout: known.departure_timeout,
        max_participants: known.max_participants,
        metadata: known.metadata.clone(),
        agents: known.agents.iter().map(agent).collect(),
        ..Default::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_field_of_a_rule_survives() {
        for rule in [
            json!({"dispatch_rule_direct": {"room_name": "r", "pin": "12"}}),
            json!({"dispatchRuleIndividual": {"roomPrefix": "call-", "pin": "1", "noRandomness": true}}),
            json!({"dispatch_rule_callee": {"room_prefix": "c-", "randomize": true}}),
        ] {
            let info: proto::SipDispatchRuleInfo = serde_json::from_value(json!({
                "sip_dispatch_rule_id": "SDR_a", "rule": rule, "trunk_ids": ["ST_a", "ST_b"],
                "hide_phone_number": true, "inbound_numbers": ["+1"], "numbers": ["+2"], "name": "n",
                "metadata": "m", "attributes": {"a.B": "c"}, "room_preset": "p",
                "room_config": {"name": "rc", "empty_timeout": 1, "departure_timeout": 2, "max_participants": 3,
                    "metadata": "rm", "min_playout_delay": 7, "sync_streams": true, "tags": {"t": "u"},
                    "egress": {"room": {"room_name": "x"}},
                    "agents": [{"agent_name": "a", "metadata": "am", "attributes": {"k": "v"}, "deployment": "d"}]},
                "media": {"encryption": "SIP_MEDIA_ENCRYPT_REQUIRE"}, "krisp_enabled": true,
                "media_encryption": "SIP_MEDIA_ENCRYPT_REQUIRE",
                "created_at": "2024-01-02T03:04:05.678Z", "updated_at": "2024-01-02T03:04:06Z",
            }))
            .unwrap();
            let record = dispatch_rule_from(info.clone()).unwrap();
            assert_eq!(record.room_config.as_ref().unwrap().agents[0].agent_name, "a");
            assert_eq!(dispatch_rule(&record), info);
        }
    }

    #[test]
    fn an_empty_room_configuration_stays_present() {
        let info = proto::SipDispatchRuleInfo { room_config: Some(Default::default()), ..Default::default() };
        assert_eq!(dispatch_rule(&dispatch_rule_from(info.clone()).unwrap()), info);
    }

    #[test]
    fn a_patch_with_an_empty_rule_is_refused() {
        let update = proto::SipDispatchRuleUpdate { rule: Some(Default::default()), ..Default::default() };
        assert!(dispatch_rule_patch(update).is_err());
    }
}
