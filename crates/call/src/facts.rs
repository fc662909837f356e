//! What a call knows of itself, in every phase.

use crate::{
    Effect, RoomEvent, Setup,
    media::LegKey,
    record::{CallRecord, CallStatus, Cause, Ending},
    transfer::Transfer,
};
use std::collections::BTreeMap;
use trunkline_sip::{q850, reason::Reason};
use trunkline_types::{EndReason, LegId, ParticipantSid, RoomSid, Time};

/// Characters of a far end's reason that are kept.
const REASON_CHARS: usize = 256;

/// An attribute as the call holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The value.
    pub value: String,
    /// When it was set to that.
    pub set_at: Time,
}

/// What a call knows of the agents in its room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agents {
    /// One is there, or was.
    pub seen: bool,
    /// When the last one left; `None` while one is there, or if none was.
    pub left_at: Option<Time>,
    /// Why none has come; empty if none is waited for.
    pub awaited: String,
}

/// The facts of a call. Attributes are copied here in the same step in which the room applies
/// them, so the headers of a BYE cannot race with the deletion of the room.
#[derive(Clone, Debug)]
pub struct Facts {
    /// What the call began with.
    pub setup: Setup,
    /// Its attributes, the last known.
    pub attributes: BTreeMap<String, Attribute>,
    /// The record as it will be written, but for what is held above.
    pub record: CallRecord,
    /// The agents in its room.
    pub agents: Agents,
    /// Headers that somebody gave for the message that is sent next: a REFER, or what ends the call.
    pub last_headers: Vec<(String, String)>,
    /// The digits of a call out are being sent.
    pub(crate) automating: bool,
    /// Writes of an answered call out that nobody waits for.
    unwritten: u8,
    /// The transfer under way.
    pub(crate) transfer: Option<Box<Transfer>>,
}

impl Facts {
    /// What only the beginning needs is taken out of `setup`: a call of an hour shall not cost what
    /// its INVITE did.
    pub(crate) fn new(mut setup: Setup, now: Time) -> Self {
        let attributes = crate::attributes::initial(&mut setup)
            .into_iter()
            .map(|(name, value)| (name, Attribute { value, set_at: now }))
            .collect();
        setup.invite.headers.retain(|(name, _)| !crate::attributes::is_credential(name));
        setup.invite.headers.shrink_to_fit();
        let is_outbound = setup.outbound.is_some();
        let record = CallRecord {
            call_id: setup.call_id.clone(),
            sip_call_id: setup.invite.call_id.clone(),
            direction: if is_outbound { "outbound" } else { "inbound" }.into(),
            status: if is_outbound { CallStatus::Dialing } else { CallStatus::Ringing },
            trunk_id: setup.trunk_id.clone(),
            rule_id: setup.rule_id.clone(),
            room_name: setup.room_name.clone(),
            room_sid: RoomSid::default(),
            participant_identity: setup.identity.clone(),
            from: if setup.hidden { String::new() } else { setup.invite.from.clone() },
            to: if setup.hidden && is_outbound { String::new() } else { setup.invite.to.clone() },
            source: if is_outbound {
                String::new()
            } else {
                format!("{} {}", setup.invite.transport, setup.invite.source)
            },
            created_at_ms: now.unix_millis(),
            ringing_at_ms: None,
            answered_at_ms: None,
            ended_at_ms: None,
            ending: None,
            attributes: BTreeMap::new(),
            invite_headers: Vec::new(),
            receipts: Vec::new(),
            explanation: std::mem::take(&mut setup.explanation),
            codec: None,
            media: Default::default(),
            transfers: Vec::new(),
        };
        Self {
            setup,
            attributes,
            record,
            agents: Agents::default(),
            last_headers: Vec::new(),
            automating: false,
            unwritten: 0,
            transfer: None,
        }
    }

    /// Whether we began the call.
    pub fn is_outbound(&self) -> bool {
        self.setup.outbound.is_some()
    }

    /// Writes the record of a call that is up, without waiting for it.
    pub(crate) fn persist(&mut self, effects: &mut Vec<Effect>) {
        self.unwritten = self.unwritten.saturating_add(1);
        effects.push(Effect::Persist(self.snapshot()));
    }

    /// Whether a write that is done now is one that nobody waits for: writes are done in order.
    pub(crate) fn was_unawaited(&mut self) -> bool {
        let was = self.unwritten > 0;
        self.unwritten = self.unwritten.saturating_sub(1);
        was
    }

    /// The SIP leg the call began with.
    pub fn leg(&self) -> LegKey {
        LegKey { call: self.setup.call_id.clone(), leg: LegId::FIRST }
    }

    /// When the call ends because the last agent has left.
    pub(crate) fn agent_deadline(&self) -> Option<Time> {
        Some(self.agents.left_at? + self.setup.agent_left?)
    }

    /// Takes note of agents that come and go.
    pub(crate) fn note_agents(&mut self, event: &RoomEvent, now: Time) {
        match event {
            RoomEvent::AgentJoined => self.agents = Agents { seen: true, left_at: None, awaited: String::new() },
            RoomEvent::AgentLeft => self.agents.left_at = Some(now),
            RoomEvent::AgentAwaited { why } => self.agents.awaited.clone_from(why),
            _ => {}
        }
    }

    /// A text with the reason why no agent has come, if there is one.
    pub(crate) fn with_reason(&self, text: String) -> String {
        if self.agents.awaited.is_empty() { text } else { format!("{text}: {}", self.agents.awaited) }
    }

    /// The attributes as plain values.
    pub fn attribute_values(&self) -> BTreeMap<String, String> {
        self.attributes.iter().map(|(name, a)| (name.clone(), a.value.clone())).collect()
    }

    /// Takes over what the room says our attributes are.
    pub(crate) fn take_attributes(&mut self, values: BTreeMap<String, String>, now: Time) {
        self.attributes.retain(|name, _| values.contains_key(name));
        for (name, value) in values {
            match self.attributes.get_mut(&name) {
                Some(held) if held.value == value => {}
                _ => {
                    self.attributes.insert(name, Attribute { value, set_at: now });
                }
            }
        }
    }

    pub(crate) fn set_attributes(&mut self, changes: &BTreeMap<String, String>, now: Time) {
        let mut values = self.attribute_values();
        for (name, value) in changes {
            if value.is_empty() {
                values.remove(name);
            } else {
                values.insert(name.clone(), value.clone());
            }
        }
        self.take_attributes(values, now);
    }

    pub(crate) fn joined(&mut self, room: RoomSid, _participant: ParticipantSid, identity: String) {
        self.record.room_sid = room;
        self.record.participant_identity = identity;
    }

    /// Writes down how the call ended; the first ending stays.
    pub(crate) fn ended(&mut self, reason: EndReason, sip_status: Option<u16>, text: String, now: Time) {
        if self.record.ending.is_none() {
            self.record.status = CallStatus::Hangup;
            self.record.ended_at_ms = Some(now.unix_millis());
            self.record.ending = Some(Ending {
                reason,
                by: reason.ended_by(),
                disconnect_reason: reason.disconnect_reason(),
                sip_status,
                q850: None,
                text,
            });
        }
    }

    /// The caller gave up before the answer, for the reason that his Reason header gives.
    pub(crate) fn cancelled(&mut self, reason: Option<String>, now: Time) {
        let text = "the caller gave up while it rang";
        let text = reason.as_ref().map_or_else(|| text.to_owned(), |reason| format!("{text}: {reason}"));
        self.ended(EndReason::Cancelled, Some(487), text, now);
        self.far_reason(reason.as_deref().unwrap_or_default());
    }

    /// What the far end said of it in a Reason header, beside SIP's own causes. The first word holds.
    pub(crate) fn far_reason(&mut self, values: &str) {
        let Some(ending) = self.record.ending.as_mut().filter(|ending| ending.q850.is_none()) else { return };
        let found = Reason::parse(values).into_iter().find(|reason| reason.is("Q.850"));
        ending.q850 = found.and_then(|reason| {
            let cause = reason.cause.filter(|cause| *cause <= 127)?;
            let said = reason.text.filter(|text| !text.is_empty()).unwrap_or_default();
            let text = if said.is_empty() { q850::text(cause).unwrap_or_default() } else { said.as_str() };
            let text = text.chars().filter(|c| !c.is_control()).take(REASON_CHARS).collect();
            Some(Box::new(Cause { cause, text }))
        });
    }

    /// The record as it stands, with the attributes of this moment.
    pub(crate) fn snapshot(&self) -> Box<CallRecord> {
        let mut record = self.record.clone();
        record.attributes = self.attribute_values();
        if !self.setup.hidden {
            record.invite_headers.clone_from(&self.setup.invite.headers);
        }
        Box::new(record)
    }

    /// The attributes that tell of the end: `sip.callStatus`, `sip.reason`, `sip.hangupBy`, and
    /// of ours `trunkline.q850Cause` and `trunkline.q850Text`.
    pub(crate) fn ending_attributes(&self) -> BTreeMap<String, String> {
        let mut attributes = BTreeMap::from([("sip.callStatus".to_owned(), "hangup".to_owned())]);
        if let Some(ending) = &self.record.ending {
            attributes.insert("sip.reason".into(), ending.reason.as_str().into());
            let by = match ending.by {
                trunkline_types::EndedBy::FarEnd => "far_end",
                trunkline_types::EndedBy::Room => "room",
                trunkline_types::EndedBy::Server => "server",
            };
            attributes.insert("sip.hangupBy".into(), by.into());
            if let Some(status) = ending.sip_status {
                attributes.insert("sip.statusCode".into(), status.to_string());
            }
            if let Some(Cause { cause, text }) = ending.q850.as_deref() {
                attributes.insert("trunkline.q850Cause".into(), cause.to_string());
                // An empty value would delete.
                attributes.extend((!text.is_empty()).then(|| ("trunkline.q850Text".to_owned(), text.clone())));
            }
        }
        attributes
    }
}
