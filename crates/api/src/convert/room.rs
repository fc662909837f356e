//! Rooms and participants: LiveKit's `Room`, `ParticipantInfo` and what changes them.

use super::media::sorted;
use livekit_protocol as proto;
use trunkline_room::{ParticipantInfo, ParticipantPatch, Permission, RoomInfo, RoomSettings, TrackInfo, VideoLayer};

/// Writes a room.
pub(crate) fn room(info: &RoomInfo) -> proto::Room {
    proto::Room {
        sid: info.sid.as_str().to_owned(),
        name: info.name.clone(),
        empty_timeout: info.empty_timeout,
        departure_timeout: info.departure_timeout,
        max_participants: info.max_participants,
        creation_time: info.creation_time_ms.div_euclid(1_000),
        creation_time_ms: info.creation_time_ms,
        metadata: info.metadata.clone(),
        num_participants: info.num_participants,
        num_publishers: info.num_publishers,
        enabled_codecs: enabled_codecs(info),
        ..Default::default()
    }
}

/// What may be published in a room; video goes first, for JavaScript picks from it.
pub(crate) fn enabled_codecs(info: &RoomInfo) -> Vec<proto::Codec> {
    let codecs = ["video/VP8", "video/H264", info.voice_codec.mime()];
    codecs.map(|mime| proto::Codec { mime: mime.to_owned(), fmtp_line: String::new() }).to_vec()
}

/// Reads what a room is created with.
pub(crate) fn room_settings(request: proto::CreateRoomRequest) -> (String, RoomSettings) {
    let settings = RoomSettings {
        empty_timeout: request.empty_timeout,
        departure_timeout: request.departure_timeout,
        max_participants: request.max_participants,
        metadata: request.metadata,
        agents: request.agents.into_iter().map(super::agent_request).collect(),
        voice_codec: None,
    };
    (request.name, settings)
}

/// Reads `roomConfig` of a token: protobuf JSON of `RoomConfiguration`.
///
/// # Errors
/// It is none.
pub(crate) fn room_configuration(json: &serde_json::Value) -> Result<RoomSettings, serde_json::Error> {
    let mut json = json.clone();
    if let Some(object) = json.as_object_mut() {
        // Nothing here is recorded, so its many fields need not be understood.
        object.remove("egress");
    }
    let config: proto::RoomConfiguration = serde_json::from_value(json)?;
    let request = proto::CreateRoomRequest {
        empty_timeout: config.empty_timeout,
        departure_timeout: config.departure_timeout,
        max_participants: config.max_participants,
        metadata: config.metadata,
        agents: config.agents,
        ..Default::default()
    };
    Ok(room_settings(request).1)
}

/// Writes a participant. The numbers of state, kind and disconnect reason are LiveKit's own.
pub(crate) fn participant(info: &ParticipantInfo) -> proto::ParticipantInfo {
    proto::ParticipantInfo {
        sid: info.sid.as_str().to_owned(),
        identity: info.identity.clone(),
        state: info.state as i32,
        tracks: info.tracks.iter().map(track).collect(),
        metadata: info.metadata.clone(),
        joined_at: info.joined_at_ms.div_euclid(1_000),
        joined_at_ms: info.joined_at_ms,
        name: info.name.clone(),
        version: info.version,
        permission: Some(permission(info.permission)),
        is_publisher: info.is_publisher,
        kind: info.kind as i32,
        attributes: info.attributes.clone().into_iter().collect(),
        client_protocol: info.client_protocol,
        capabilities: info.capabilities.clone(),
        disconnect_reason: info.disconnect_reason.map_or(0, |reason| reason as i32),
        ..Default::default()
    }
}

/// Reads `UpdateParticipant`.
pub(crate) fn participant_patch(request: proto::UpdateParticipantRequest) -> ParticipantPatch {
    ParticipantPatch {
        name: request.name,
        metadata: request.metadata,
        attributes: sorted(request.attributes),
        permission: request.permission.as_ref().map(permission_from),
    }
}

/// Reads a permission.
#[expect(deprecated, reason = "clients still read and set the kind's old flags")]
pub(super) fn permission_from(given: &proto::ParticipantPermission) -> Permission {
    Permission {
        can_subscribe: given.can_subscribe,
        can_publish: given.can_publish,
        can_publish_data: given.can_publish_data,
        can_publish_sources: sources(&given.can_publish_sources),
        can_update_metadata: given.can_update_metadata,
        can_subscribe_metrics: given.can_subscribe_metrics,
        hidden: given.hidden,
        recorder: given.recorder,
        agent: given.agent,
    }
}

/// A bit for each source.
fn sources(numbers: &[i32]) -> u32 {
    numbers.iter().filter_map(|n| 1u32.checked_shl(u32::try_from(*n).ok()?)).fold(0, |all, bit| all | bit)
}

#[expect(deprecated, reason = "clients still read and set the kind's old flags")]
fn permission(permission: Permission) -> proto::ParticipantPermission {
    proto::ParticipantPermission {
        can_subscribe: permission.can_subscribe,
        can_publish: permission.can_publish,
        can_publish_data: permission.can_publish_data,
        can_publish_sources: (1..32).filter(|n| permission.can_publish_sources & 1 << n != 0).collect(),
        can_update_metadata: permission.can_update_metadata,
        can_subscribe_metrics: permission.can_subscribe_metrics,
        hidden: permission.hidden,
        recorder: permission.recorder,
        agent: permission.agent,
        ..Default::default()
    }
}

/// Writes a track. The numbers of kind and source are LiveKit's own.
#[expect(deprecated, reason = "clients still read what newer fields repeat")]
pub(crate) fn track(info: &TrackInfo) -> proto::TrackInfo {
    let codec = proto::SimulcastCodecInfo {
        mime_type: info.mime_type.clone(),
        mid: info.mid.clone(),
        layers: info.layers.iter().map(layer).collect(),
        ..Default::default()
    };
    proto::TrackInfo {
        sid: info.sid.as_str().to_owned(),
        r#type: info.kind as i32,
        source: info.source as i32,
        name: info.name.clone(),
        muted: info.muted,
        mime_type: info.mime_type.clone(),
        mid: info.mid.clone(),
        stream: info.stream.clone(),
        width: info.width,
        height: info.height,
        layers: info.layers.iter().map(layer).collect(),
        codecs: if info.mime_type.is_empty() { Vec::new() } else { vec![codec] },
        simulcast: info.simulcast,
        disable_dtx: info.disable_dtx,
        disable_red: info.disable_red,
        stereo: info.stereo,
        encryption: info.encryption,
        audio_features: info.audio_features.clone(),
        ..Default::default()
    }
}

/// Writes a layer of a video.
pub(super) fn layer(layer: &VideoLayer) -> proto::VideoLayer {
    proto::VideoLayer {
        quality: layer.quality,
        width: layer.width,
        height: layer.height,
        bitrate: layer.bitrate,
        ssrc: layer.ssrc,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_room::{Kind, State};
    use trunkline_types::DisconnectReason;

    #[test]
    fn a_sip_participant_has_livekits_numbers() {
        let info = ParticipantInfo {
            sid: "PA_a".into(),
            identity: "sip_+1".into(),
            kind: Kind::Sip,
            state: State::Active,
            attributes: [("sip.callID".to_owned(), "SCL_a".to_owned())].into(),
            joined_at_ms: 1_700_000_000_999,
            disconnect_reason: Some(DisconnectReason::RoomDeleted),
            tracks: vec![TrackInfo { sid: "TR_AMa".into(), ..TrackInfo::default() }],
            ..ParticipantInfo::default()
        };
        let wire = participant(&info);
        assert_eq!(wire.kind(), proto::participant_info::Kind::Sip);
        assert_eq!(wire.state(), proto::participant_info::State::Active);
        assert_eq!(wire.disconnect_reason(), proto::DisconnectReason::RoomDeleted);
        assert_eq!(wire.joined_at, 1_700_000_000);
        assert_eq!(wire.tracks[0].source(), proto::TrackSource::Microphone);
        assert_eq!(wire.attributes["sip.callID"], "SCL_a");
    }
}
