//! One room and its members.

use crate::{Error, ParticipantInfo, ParticipantPatch, RoomInfo, RoomSettings, State, defaults::Defaults};
use std::{collections::BTreeMap, time::Duration};
use trunkline_types::{RoomSid, Time, limits};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    pub(crate) sid: RoomSid,
    pub(crate) name: String,
    pub(crate) settings: RoomSettings,
    pub(crate) created_at: Time,
    /// Boxed: a node of the map has room for eleven, and most rooms hold two.
    pub(crate) members: BTreeMap<String, Box<ParticipantInfo>>,
    /// Since when nobody counts as present; `None` while somebody does.
    pub(crate) empty: Option<Empty>,
}

/// How a room came to be empty decides how long it stays.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Empty {
    /// Nobody has ever joined.
    Untouched(Time),
    /// The last one left.
    Left(Time),
}

impl Room {
    pub(crate) fn new(sid: RoomSid, name: &str, settings: RoomSettings, now: Time) -> Self {
        let empty = Some(Empty::Untouched(now));
        Self { sid, name: name.into(), settings, created_at: now, members: BTreeMap::new(), empty }
    }

    /// Non-zero fields overwrite.
    pub(crate) fn apply(&mut self, settings: RoomSettings) {
        let held = &mut self.settings;
        for (held, new) in [
            (&mut held.empty_timeout, settings.empty_timeout),
            (&mut held.departure_timeout, settings.departure_timeout),
            (&mut held.max_participants, settings.max_participants),
        ] {
            if new != 0 {
                *held = new;
            }
        }
        if !settings.metadata.is_empty() {
            held.metadata = settings.metadata;
        }
    }

    pub(crate) fn info(&self) -> RoomInfo {
        RoomInfo {
            sid: self.sid.clone(),
            name: self.name.clone(),
            empty_timeout: self.settings.empty_timeout,
            departure_timeout: self.settings.departure_timeout,
            max_participants: self.settings.max_participants,
            creation_time_ms: self.created_at.unix_millis(),
            metadata: self.settings.metadata.clone(),
            num_participants: u32::try_from(self.members.values().filter(|m| !m.permission.hidden).count())
                .unwrap_or(u32::MAX),
            voice_codec: self.settings.voice_codec.unwrap_or_default(),
            num_publishers: u32::try_from(self.members.values().filter(|m| m.is_publisher).count()).unwrap_or(u32::MAX),
        }
    }

    /// Whom the room exists for: agents and recorders do not keep it open.
    pub(crate) fn present(&self) -> usize {
        self.members.values().filter(|m| !m.is_dependent()).count()
    }

    pub(crate) fn note_presence(&mut self, now: Time) {
        match (self.present(), self.empty) {
            (0, None) => self.empty = Some(Empty::Left(now)),
            (0, Some(_)) => {}
            _ => self.empty = None,
        }
    }

    /// When the room closes if nobody comes.
    pub(crate) fn closes_at(&self) -> Option<Time> {
        Some(match self.empty? {
            Empty::Untouched(since) => since + Duration::from_secs(self.settings.empty_timeout.into()),
            Empty::Left(since) => since + Duration::from_secs(self.settings.departure_timeout.into()),
        })
    }

    pub(crate) fn member(&mut self, identity: &str) -> Result<&mut ParticipantInfo, Error> {
        self.members.get_mut(identity).map(|member| &mut **member).ok_or(Error::NoSuchParticipant)
    }
}

/// Applies a patch; returns the attribute keys that changed.
pub(crate) fn patch(member: &mut ParticipantInfo, patch: &ParticipantPatch) -> Result<Vec<String>, Error> {
    check_length("name", &patch.name)?;
    check_metadata(&patch.metadata)?;
    let mut changed = Vec::new();
    if !patch.attributes.is_empty() {
        let mut attributes = member.attributes.clone();
        for (key, value) in &patch.attributes {
            let before =
                if value.is_empty() { attributes.remove(key) } else { attributes.insert(key.clone(), value.clone()) };
            if before.as_deref().unwrap_or_default() != value {
                changed.push(key.clone());
            }
        }
        check_attributes(&attributes)?;
        member.attributes = attributes;
    }
    if !patch.name.is_empty() {
        member.name.clone_from(&patch.name);
    }
    if !patch.metadata.is_empty() {
        member.metadata.clone_from(&patch.metadata);
    }
    if let Some(permission) = patch.permission {
        member.permission = permission;
    }
    member.version = member.version.wrapping_add(1);
    Ok(changed)
}

pub(crate) fn check_length(field: &'static str, text: &str) -> Result<(), Error> {
    let limit = limits::NAME_CHARS;
    if text.chars().count() > limit { Err(Error::TooLong { field, limit }) } else { Ok(()) }
}

pub(crate) fn check_metadata(text: &str) -> Result<(), Error> {
    let limit = limits::METADATA_BYTES;
    if text.len() > limit { Err(Error::TooLong { field: "metadata", limit }) } else { Ok(()) }
}

pub(crate) fn check_attributes(attributes: &BTreeMap<String, String>) -> Result<(), Error> {
    let limit = limits::ATTRIBUTES_BYTES;
    let size: usize = attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
    if size > limit { Err(Error::TooLong { field: "attributes", limit }) } else { Ok(()) }
}

/// The settings a new room gets: what was asked for, else the defaults.
pub(crate) fn resolved(settings: &RoomSettings, defaults: &Defaults) -> RoomSettings {
    let or = |value, default| if value == 0 { default } else { value };
    RoomSettings {
        empty_timeout: or(settings.empty_timeout, defaults.empty_timeout),
        departure_timeout: or(settings.departure_timeout, defaults.departure_timeout),
        voice_codec: settings.voice_codec.or(Some(defaults.voice_codec)),
        ..settings.clone()
    }
}

/// A member that has just joined.
pub(crate) fn newcomer(join: crate::Join, sid: trunkline_types::ParticipantSid, now: Time) -> ParticipantInfo {
    ParticipantInfo {
        sid,
        identity: join.identity,
        name: join.name,
        state: State::Joined,
        kind: join.kind,
        metadata: join.metadata,
        attributes: join.attributes,
        permission: join.permission,
        tracks: Vec::new(),
        joined_at_ms: now.unix_millis(),
        version: 1,
        is_publisher: false,
        client_protocol: join.client_protocol,
        capabilities: join.capabilities,
        disconnect_reason: None,
    }
}
