//! LiveKit's protobuf messages to our records and back, every field.

mod media;
mod room;
mod rule;
mod trunk;

pub(crate) use room::{participant, participant_patch, room, room_settings};
pub(crate) use rule::{dispatch_rule, dispatch_rule_from, dispatch_rule_patch, legacy_dispatch_rule};
pub(crate) use trunk::{
    inbound_trunk, inbound_trunk_from, inbound_trunk_patch, legacy_inbound, legacy_outbound, list_filter,
    outbound_trunk, outbound_trunk_from, outbound_trunk_patch,
};
