//! LiveKit's protobuf messages to our records and back, every field.

mod dial;
mod media;
mod room;
mod rule;
mod signal_request;
mod signal_response;
mod transfer;
mod trunk;
mod worker;

pub(crate) use dial::{dial_request, sip_participant};
pub(crate) use room::{participant, participant_patch, room, room_configuration, room_settings, track};
pub(crate) use rule::{dispatch_rule, dispatch_rule_from, dispatch_rule_patch, legacy_dispatch_rule};
pub(crate) use signal_request::{add_track, all_tracks, description, refused_request, request, sync_state};
pub(crate) use signal_response::{PING_TIMEOUT, Terms, agents_server_info, response, room_moved};
pub(crate) use transfer::{transfer_reason, transfer_reply, transfer_request};
pub(crate) use trunk::{
    inbound_trunk, inbound_trunk_from, inbound_trunk_patch, legacy_inbound, legacy_outbound, list_filter,
    outbound_trunk, outbound_trunk_from, outbound_trunk_patch,
};
pub(crate) use worker::{agent_request, create_dispatch, dispatch, job, worker_request, worker_response};
