//! What rooms say to clients: LiveKit's `SignalResponse`.

use super::{participant, room, room::enabled_codecs, signal_request::add_track_request, track};
use livekit_protocol::{self as proto, request_response, signal_response::Message};
use std::{collections::BTreeMap, time::Duration};
use trunkline_room::signal::{About, Description, Joined, LeaveAction, Response, TrackChange};
use trunkline_types::TrackSid;

/// How often clients shall ping, seconds.
const PING_INTERVAL_SECONDS: i32 = 5;
/// How long either side may be silent.
pub(crate) const PING_TIMEOUT: Duration = Duration::from_secs(PING_TIMEOUT_SECONDS as u64);
const PING_TIMEOUT_SECONDS: i32 = 15;
/// The version of LiveKit whose behaviour clients may expect of us.
const VERSION: &str = "1.9.0";
/// The signalling protocol we speak.
const PROTOCOL: i32 = 17;
/// The protocol of agents' workers.
const AGENT_PROTOCOL: i32 = 1;
/// Clients of this protocol and newer act on [`LeaveAction`].
const KNOWS_ACTIONS: i32 = 13;

/// What a connection's messages depend on beside the room.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// The node's name.
    pub(crate) node_id: String,
    /// The signalling protocol of the client.
    pub(crate) protocol: i32,
    /// Marks frames that a server put into an encrypted track.
    pub(crate) sif_trailer: [u8; 16],
}

/// LiveKit's `RoomMovedResponse`: where the client is from now on, and the token for it.
pub(crate) fn room_moved(moved: &Joined, token: String) -> Message {
    Message::RoomMoved(proto::RoomMovedResponse {
        room: Some(room(&moved.room)),
        token,
        participant: Some(participant(&moved.participant)),
        other_participants: moved.others.iter().map(participant).collect(),
    })
}

/// Writes a response. `None` for [`Response::RefreshToken`] and [`Response::Moved`], which need a secret.
pub(crate) fn response(response: Response, terms: &Terms) -> Option<Message> {
    Some(match response {
        Response::Join(joined) => Message::Join(join(&joined, terms)),
        Response::Reconnect { last_message_seq } => Message::Reconnect(proto::ReconnectResponse {
            server_info: Some(server_info(terms)),
            last_message_seq,
            ..Default::default()
        }),
        Response::Answer { description, tracks_by_mid } => {
            Message::Answer(session_description("answer", description, tracks_by_mid))
        }
        Response::Offer { description, tracks_by_mid } => {
            Message::Offer(session_description("offer", description, tracks_by_mid))
        }
        Response::Update(participants) => {
            Message::Update(proto::ParticipantUpdate { participants: participants.iter().map(participant).collect() })
        }
        Response::TrackPublished { cid, track: info } => {
            Message::TrackPublished(proto::TrackPublishedResponse { cid, track: Some(track(&info)) })
        }
        Response::TrackUnpublished(sid) => {
            Message::TrackUnpublished(proto::TrackUnpublishedResponse { track_sid: sid.as_str().to_owned() })
        }
        Response::TrackSubscribed(sid) => {
            Message::TrackSubscribed(proto::TrackSubscribed { track_sid: sid.as_str().to_owned() })
        }
        Response::Mute { track, muted } => {
            Message::Mute(proto::MuteTrackRequest { sid: track.as_str().to_owned(), muted })
        }
        Response::RoomUpdate(info) => Message::RoomUpdate(proto::RoomUpdate { room: Some(room(&info)) }),
        Response::MediaSections { audios, videos } => {
            Message::MediaSectionsRequirement(proto::MediaSectionsRequirement {
                num_audios: audios,
                num_videos: videos,
            })
        }
        Response::Leave { reason, action } => Message::Leave(proto::LeaveRequest {
            can_reconnect: terms.protocol < KNOWS_ACTIONS && action != LeaveAction::Disconnect,
            reason: reason as i32,
            action: action as i32,
            regions: None,
        }),
        Response::RefreshToken(_) | Response::Moved(_) => return None,
        report => report_message(report)?,
    })
}

/// Reports of what happens in the room, and outcomes.
fn report_message(response: Response) -> Option<Message> {
    Some(match response {
        Response::Speakers(speakers) => Message::SpeakersChanged(proto::SpeakersChanged {
            speakers: speakers
                .into_iter()
                .map(|speaker| proto::SpeakerInfo {
                    sid: speaker.participant.as_str().to_owned(),
                    // Clients sort by it and panic if it is no number.
                    level: if speaker.level.is_finite() { speaker.level } else { 0.0 },
                    active: speaker.active,
                })
                .collect(),
        }),
        Response::ConnectionQuality(all) => Message::ConnectionQuality(proto::ConnectionQualityUpdate {
            updates: all
                .into_iter()
                .map(|(sid, quality)| proto::ConnectionQualityInfo {
                    participant_sid: sid.as_str().to_owned(),
                    quality: quality as i32,
                    ..Default::default()
                })
                .collect(),
        }),
        Response::SubscriptionPermission { participant, track, allowed } => {
            Message::SubscriptionPermissionUpdate(proto::SubscriptionPermissionUpdate {
                participant_sid: participant.as_str().to_owned(),
                track_sid: track.as_str().to_owned(),
                allowed,
            })
        }
        Response::SubscriptionFailed { track, codec } => {
            let error = if codec {
                proto::SubscriptionError::SeCodecUnsupported
            } else {
                proto::SubscriptionError::SeTrackNotfound
            };
            Message::SubscriptionResponse(proto::SubscriptionResponse {
                track_sid: track.as_str().to_owned(),
                err: error.into(),
            })
        }
        Response::RequestResponse { request_id, outcome, message, about } => {
            Message::RequestResponse(proto::RequestResponse {
                request_id,
                reason: outcome as i32,
                message,
                request: repeated(request_id, about),
            })
        }
        _ => return None,
    })
}

fn repeated(request_id: u32, about: About) -> Option<request_response::Request> {
    Some(match about {
        About::Nothing => return None,
        About::Metadata(patch) => request_response::Request::UpdateMetadata(proto::UpdateParticipantMetadata {
            metadata: patch.metadata,
            name: patch.name,
            attributes: patch.attributes.into_iter().collect(),
            request_id,
        }),
        About::AddTrack(add) => request_response::Request::AddTrack(add_track_request(&add)),
        About::UpdateTrack(track, TrackChange::Audio { features }) => {
            let track_sid = track.as_str().to_owned();
            request_response::Request::UpdateAudioTrack(proto::UpdateLocalAudioTrack { track_sid, features })
        }
        About::UpdateTrack(track, TrackChange::Video { width, height }) => {
            let track_sid = track.as_str().to_owned();
            request_response::Request::UpdateVideoTrack(proto::UpdateLocalVideoTrack { track_sid, width, height })
        }
    })
}

#[allow(deprecated, reason = "old clients read server_version")]
fn join(joined: &Joined, terms: &Terms) -> proto::JoinResponse {
    proto::JoinResponse {
        room: Some(room(&joined.room)),
        participant: Some(participant(&joined.participant)),
        other_participants: joined.others.iter().map(participant).collect(),
        server_version: VERSION.to_owned(),
        subscriber_primary: joined.subscriber_primary,
        ping_timeout: PING_TIMEOUT_SECONDS,
        ping_interval: PING_INTERVAL_SECONDS,
        server_info: Some(server_info(terms)),
        sif_trailer: terms.sif_trailer.to_vec(),
        enabled_publish_codecs: enabled_codecs(&joined.room),
        fast_publish: joined.participant.permission.can_publish,
        ..Default::default()
    }
}

fn server_info(terms: &Terms) -> proto::ServerInfo {
    agents_server_info(&terms.node_id)
}

/// What clients and workers learn of the server.
pub(crate) fn agents_server_info(node_id: &str) -> proto::ServerInfo {
    proto::ServerInfo {
        edition: proto::server_info::Edition::Standard.into(),
        version: VERSION.to_owned(),
        protocol: PROTOCOL,
        node_id: node_id.to_owned(),
        debug_info: concat!("Trunkline/", env!("CARGO_PKG_VERSION")).to_owned(),
        agent_protocol: AGENT_PROTOCOL,
        ..Default::default()
    }
}

fn session_description(
    kind: &str,
    description: Description,
    tracks_by_mid: BTreeMap<String, TrackSid>,
) -> proto::SessionDescription {
    proto::SessionDescription {
        r#type: kind.to_owned(),
        sdp: description.sdp,
        id: description.id,
        mid_to_track_id: tracks_by_mid.into_iter().map(|(mid, sid)| (mid, sid.as_str().to_owned())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_room::{
        ParticipantInfo, ParticipantPatch, Permission,
        signal::{Outcome, Quality, Speaker},
    };
    use trunkline_types::{DisconnectReason, VoiceCodec};

    fn terms(protocol: i32) -> Terms {
        Terms { node_id: "NE_test".into(), protocol, sif_trailer: [7; 16] }
    }

    #[test]
    fn a_join_response_has_what_clients_need() {
        let permission = Permission { can_publish: false, ..Permission::default() };
        let participant = ParticipantInfo { sid: "PA_a".into(), permission, ..ParticipantInfo::default() };
        let joined = Joined { participant, subscriber_primary: true, ..Joined::default() };
        let Some(Message::Join(join)) = response(Response::Join(Box::new(joined)), &terms(17)) else { panic!() };
        assert_eq!((join.ping_interval, join.ping_timeout), (5, 15));
        assert!(join.subscriber_primary && !join.fast_publish && join.ice_servers.is_empty());
        let info = join.server_info.unwrap();
        assert_eq!((info.version.as_str(), info.protocol, info.agent_protocol), ("1.9.0", 17, 1));
        assert_eq!((info.node_id.as_str(), info.edition), ("NE_test", 0));
        let codecs: Vec<_> = join.enabled_publish_codecs.iter().map(|codec| codec.mime.as_str()).collect();
        assert_eq!(codecs, ["video/VP8", "video/H264", "audio/opus"]);
        assert_eq!((join.sif_trailer, join.participant.unwrap().sid), (vec![7; 16], "PA_a".to_owned()));
    }

    #[test]
    fn a_room_of_another_codec_names_it() {
        let room = trunkline_room::RoomInfo { voice_codec: VoiceCodec::Pcma, ..Default::default() };
        let joined = Joined { room, ..Joined::default() };
        let Some(Message::Join(join)) = response(Response::Join(Box::new(joined)), &terms(17)) else { panic!() };
        let codecs: Vec<_> = join.enabled_publish_codecs.iter().map(|codec| codec.mime.as_str()).collect();
        assert_eq!(codecs, ["video/VP8", "video/H264", "audio/PCMA"]);
        let of_room: Vec<_> = join.room.unwrap().enabled_codecs.into_iter().map(|codec| codec.mime).collect();
        assert_eq!(of_room, codecs);
    }

    #[test]
    fn old_clients_are_told_to_come_back_in_the_old_way() {
        for (protocol, action, wanted) in
            [(12, LeaveAction::Reconnect, true), (12, LeaveAction::Disconnect, false), (13, LeaveAction::Resume, false)]
        {
            let leave = Response::Leave { reason: DisconnectReason::StateMismatch, action };
            let Some(Message::Leave(leave)) = response(leave, &terms(protocol)) else { panic!() };
            assert_eq!((leave.can_reconnect, leave.action, leave.reason), (wanted, action as i32, 6));
        }
    }

    #[test]
    fn outcomes_repeat_their_request() {
        let patch = ParticipantPatch { name: "n".into(), ..ParticipantPatch::default() };
        let given = Response::RequestResponse {
            request_id: 4,
            outcome: Outcome::LimitExceeded,
            message: "too long".into(),
            about: About::Metadata(patch),
        };
        let Some(Message::RequestResponse(wire)) = response(given, &terms(17)) else { panic!() };
        assert_eq!((wire.request_id, wire.reason()), (4, request_response::Reason::LimitExceeded));
        let Some(request_response::Request::UpdateMetadata(update)) = wire.request else { panic!() };
        assert_eq!((update.request_id, update.name.as_str()), (4, "n"));
    }

    #[test]
    fn a_refused_change_of_a_track_is_repeated() {
        for change in [TrackChange::Audio { features: vec![1, 5] }, TrackChange::Video { width: 3, height: 4 }] {
            let given = Response::RequestResponse {
                request_id: 0,
                outcome: Outcome::NotFound,
                message: "track is not found".into(),
                about: About::UpdateTrack("TR_a".into(), change.clone()),
            };
            let Some(Message::RequestResponse(wire)) = response(given, &terms(17)) else { panic!() };
            match (wire.request, change) {
                (Some(request_response::Request::UpdateAudioTrack(update)), TrackChange::Audio { features }) => {
                    assert_eq!((update.track_sid.as_str(), update.features), ("TR_a", features));
                }
                (Some(request_response::Request::UpdateVideoTrack(update)), TrackChange::Video { .. }) => {
                    assert_eq!((update.track_sid.as_str(), update.width, update.height), ("TR_a", 3, 4));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn permissions_name_publisher_and_track() {
        let given =
            Response::SubscriptionPermission { participant: "PA_a".into(), track: "TR_a".into(), allowed: true };
        let Some(Message::SubscriptionPermissionUpdate(wire)) = response(given, &terms(17)) else { panic!() };
        assert_eq!((wire.participant_sid.as_str(), wire.track_sid.as_str(), wire.allowed), ("PA_a", "TR_a", true));
    }

    #[test]
    fn every_other_message_is_written() {
        let speaker = Speaker { participant: "PA_a".into(), level: f32::NAN, active: true };
        let Some(Message::SpeakersChanged(wire)) = response(Response::Speakers(vec![speaker]), &terms(17)) else {
            panic!()
        };
        assert_eq!(wire.speakers[0].level, 0.0);
        for given in [
            Response::Reconnect { last_message_seq: 1 },
            Response::Answer { description: Description::default(), tracks_by_mid: BTreeMap::new() },
            Response::Offer { description: Description::default(), tracks_by_mid: BTreeMap::new() },
            Response::Update(Vec::new()),
            Response::TrackPublished { cid: String::new(), track: Default::default() },
            Response::TrackUnpublished("TR_a".into()),
            Response::TrackSubscribed("TR_a".into()),
            Response::Mute { track: "TR_a".into(), muted: true },
            Response::RoomUpdate(Default::default()),
            Response::ConnectionQuality(vec![("PA_a".into(), Quality::Good)]),
            Response::MediaSections { audios: 1, videos: 2 },
            Response::SubscriptionFailed { track: "TR_a".into(), codec: true },
        ] {
            assert!(response(given.clone(), &terms(17)).is_some(), "{given:?}");
        }
    }
}
