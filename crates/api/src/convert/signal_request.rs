//! What clients say: LiveKit's `SignalRequest`.

use super::{media::sorted, room};
use livekit_protocol::{self as proto, request_response, signal_request::Message, simulate_scenario};
use trunkline_room::{
    ParticipantPatch, Source, TrackInfo, TrackKind, VideoLayer,
    signal::{AddTrack, Description, Request, Scenario, SyncState, TrackChange, TrackPermission},
};
use trunkline_types::{DisconnectReason, TrackSid};

/// Reads a request; `None` for what we do not act on, trickled candidates among it.
pub(crate) fn request(message: Message) -> Option<Request> {
    Some(match message {
        Message::Offer(offer) => Request::Offer(description(offer)),
        Message::Answer(answer) => Request::Answer(description(answer)),
        Message::AddTrack(request) => Request::AddTrack(add_track(request)?),
        Message::Mute(mute) => Request::Mute { track: mute.sid.into(), muted: mute.muted },
        Message::Subscription(update) => Request::UpdateSubscription {
            tracks: all_tracks(update.track_sids, update.participant_tracks),
            subscribe: update.subscribe,
        },
        Message::TrackSetting(update) => {
            Request::UpdateTrackSettings { tracks: tracks(update.track_sids), disabled: update.disabled }
        }
        Message::SubscriptionPermission(permission) => Request::SubscriptionPermission {
            everybody: permission.all_participants,
            listed: permission.track_permissions.into_iter().map(track_permission).collect(),
        },
        Message::UpdateAudioTrack(update) => Request::UpdateTrack {
            track: update.track_sid.into(),
            change: TrackChange::Audio { features: update.features },
        },
        Message::UpdateVideoTrack(update) => Request::UpdateTrack {
            track: update.track_sid.into(),
            change: TrackChange::Video { width: update.width, height: update.height },
        },
        Message::Leave(leave) => Request::Leave(leave_reason(leave.reason())),
        Message::SyncState(state) => Request::SyncState(sync_state(state)),
        Message::Simulate(simulate) => Request::Simulate(scenario(simulate)?),
        Message::UpdateMetadata(update) => Request::UpdateMetadata {
            request_id: update.request_id,
            patch: ParticipantPatch {
                name: update.name,
                metadata: update.metadata,
                attributes: sorted(update.attributes),
                permission: None,
            },
        },
        Message::StoreDataBlobRequest(request) => Request::Unsupported { request_id: request.request_id },
        Message::GetDataBlobRequest(request) => Request::Unsupported { request_id: request.request_id },
        _ => return None,
    })
}

/// The refusal of a data track, if that is what the message asks for. Such a request has no number:
/// clients know the answer by the request that it repeats.
pub(crate) fn refused_request(message: &Message) -> Option<proto::RequestResponse> {
    let request = match message {
        Message::PublishDataTrackRequest(request) => request_response::Request::PublishDataTrack(request.clone()),
        Message::UnpublishDataTrackRequest(request) => request_response::Request::UnpublishDataTrack(*request),
        _ => return None,
    };
    Some(proto::RequestResponse {
        request_id: 0,
        reason: request_response::Reason::NotAllowed.into(),
        message: "this server has no data tracks".to_owned(),
        request: Some(request),
    })
}

/// Reads an offer or an answer.
pub(crate) fn description(given: proto::SessionDescription) -> Description {
    Description { sdp: given.sdp, id: given.id }
}

/// Reads `AddTrackRequest`; `None` if it is neither audio nor video.
#[expect(deprecated, reason = "clients of today still set stereo and disable_dtx")]
pub(crate) fn add_track(request: proto::AddTrackRequest) -> Option<AddTrack> {
    let kind = match request.r#type() {
        proto::TrackType::Audio if request.r#type == 0 => TrackKind::Audio,
        proto::TrackType::Video => TrackKind::Video,
        _ => return None,
    };
    let source = source(request.source());
    let mut audio_features = request.audio_features;
    let mut flag = |set: bool, feature: proto::AudioTrackFeature| {
        let feature = i32::from(feature);
        if set && !audio_features.contains(&feature) {
            audio_features.push(feature);
        }
        audio_features.contains(&feature)
    };
    let stereo = flag(request.stereo, proto::AudioTrackFeature::TfStereo);
    let disable_dtx = flag(request.disable_dtx, proto::AudioTrackFeature::TfNoDtx);
    let track = TrackInfo {
        kind,
        source,
        name: request.name,
        muted: request.muted,
        stream: request.stream,
        width: request.width,
        height: request.height,
        simulcast: request.layers.len() > 1,
        layers: request.layers.into_iter().map(layer).collect(),
        disable_dtx,
        disable_red: request.disable_red,
        stereo,
        encryption: request.encryption,
        audio_features,
        ..TrackInfo::default()
    };
    Some(AddTrack { cid: request.cid, track })
}

/// Writes it again, for an answer that repeats it.
#[expect(deprecated, reason = "clients of today still set stereo and disable_dtx")]
pub(super) fn add_track_request(given: &AddTrack) -> proto::AddTrackRequest {
    let AddTrack { cid, track } = given;
    proto::AddTrackRequest {
        cid: cid.clone(),
        name: track.name.clone(),
        r#type: track.kind as i32,
        width: track.width,
        height: track.height,
        muted: track.muted,
        disable_dtx: track.disable_dtx,
        source: track.source as i32,
        layers: track.layers.iter().map(room::layer).collect(),
        stereo: track.stereo,
        disable_red: track.disable_red,
        encryption: track.encryption,
        stream: track.stream.clone(),
        audio_features: track.audio_features.clone(),
        ..Default::default()
    }
}

fn track_permission(given: proto::TrackPermission) -> TrackPermission {
    let proto::TrackPermission { participant_sid, all_tracks, track_sids, participant_identity } = given;
    TrackPermission {
        participant: participant_sid.into(),
        identity: participant_identity,
        all_tracks,
        tracks: tracks(track_sids),
    }
}

const fn source(source: proto::TrackSource) -> Source {
    match source {
        proto::TrackSource::Unknown => Source::Unknown,
        proto::TrackSource::Camera => Source::Camera,
        proto::TrackSource::Microphone => Source::Microphone,
        proto::TrackSource::ScreenShare => Source::ScreenShare,
        proto::TrackSource::ScreenShareAudio => Source::ScreenShareAudio,
    }
}

fn layer(layer: proto::VideoLayer) -> VideoLayer {
    let proto::VideoLayer { quality, width, height, bitrate, ssrc, .. } = layer;
    VideoLayer { quality, width, height, bitrate, ssrc }
}

/// Reads what a resuming client holds.
pub(crate) fn sync_state(state: proto::SyncState) -> SyncState {
    let published = state.publish_tracks.into_iter().filter_map(|published| published.track);
    SyncState {
        published: published.map(|track| track.sid.into()).collect(),
        received: state
            .datachannel_receive_states
            .into_iter()
            .map(|state| (state.publisher_sid.into(), state.last_seq))
            .collect(),
        disabled: tracks(state.track_sids_disabled),
    }
}

/// Track ids, those given by participant among them.
pub(crate) fn all_tracks(sids: Vec<String>, by_participant: Vec<proto::ParticipantTracks>) -> Vec<TrackSid> {
    let further = by_participant.into_iter().flat_map(|participant| participant.track_sids);
    sids.into_iter().chain(further).map(TrackSid::from).collect()
}

fn tracks(sids: Vec<String>) -> Vec<TrackSid> {
    sids.into_iter().map(TrackSid::from).collect()
}

/// The reasons that a client may give; all others are its own decision too.
const fn leave_reason(reason: proto::DisconnectReason) -> DisconnectReason {
    match reason {
        proto::DisconnectReason::UserUnavailable => DisconnectReason::UserUnavailable,
        proto::DisconnectReason::UserRejected => DisconnectReason::UserRejected,
        proto::DisconnectReason::AgentError => DisconnectReason::AgentError,
        _ => DisconnectReason::ClientInitiated,
    }
}

/// `None` for what is so already: no bandwidth is limited.
fn scenario(simulate: proto::SimulateScenario) -> Option<Scenario> {
    use simulate_scenario::Scenario as Wire;
    let Some(scenario) = simulate.scenario else {
        return Some(Scenario::Unplayable("this scenario is not known"));
    };
    Some(match scenario {
        Wire::SpeakerUpdate(seconds) => Scenario::SpeakerUpdate(seconds),
        Wire::NodeFailure(_) => Scenario::NodeFailure,
        Wire::Migration(_) => Scenario::Migration,
        Wire::ServerLeave(_) => Scenario::ServerLeave,
        Wire::DisconnectSignalOnResume(_) => Scenario::DisconnectSignalOnResume,
        Wire::DisconnectSignalOnResumeNoMessages(_) => Scenario::DisconnectSignalOnResumeNoMessages,
        Wire::LeaveRequestFullReconnect(_) => Scenario::LeaveRequestFullReconnect,
        Wire::SwitchCandidateProtocol(protocol) => match proto::CandidateProtocol::try_from(protocol) {
            Ok(proto::CandidateProtocol::Udp) => Scenario::TcpAlone(false),
            Ok(proto::CandidateProtocol::Tcp) => Scenario::TcpAlone(true),
            _ => Scenario::Unplayable("media over TLS takes a TURN server, and this server names none"),
        },
        Wire::SubscriberBandwidth(0) => return None,
        Wire::SubscriberBandwidth(_) => Scenario::Unplayable("this server does not limit the bandwidth of subscribers"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_microphone_of_python() {
        let request = proto::AddTrackRequest {
            cid: "c".into(),
            source: 2,
            audio_features: vec![0],
            stream: "s".into(),
            ..Default::default()
        };
        let add = add_track(request.clone()).unwrap();
        assert_eq!((add.track.kind, add.track.source), (TrackKind::Audio, Source::Microphone));
        assert!(add.track.stereo && !add.track.disable_dtx && add.track.sid.is_empty());
        assert_eq!(add_track(add_track_request(&add)), Some(add));
        assert_eq!(add_track(proto::AddTrackRequest { r#type: 2, ..request.clone() }), None);
        assert_eq!(add_track(proto::AddTrackRequest { r#type: 77, ..request }), None);
    }

    #[test]
    fn only_some_reasons_to_leave_are_taken() {
        for (given, taken) in [(1, 1), (3, 1), (11, 11), (12, 12), (16, 16), (99, 1)] {
            let leave = proto::LeaveRequest { reason: given, ..Default::default() };
            let Some(Request::Leave(reason)) = request(Message::Leave(leave)) else { panic!() };
            assert_eq!(reason as i32, taken, "{given}");
        }
    }

    #[test]
    fn subscriptions_name_tracks_in_two_ways() {
        let update = proto::UpdateSubscription {
            track_sids: vec!["TR_a".into()],
            subscribe: true,
            participant_tracks: vec![proto::ParticipantTracks {
                participant_sid: "PA_a".into(),
                track_sids: vec!["TR_b".into()],
            }],
        };
        let wanted = Request::UpdateSubscription { tracks: vec!["TR_a".into(), "TR_b".into()], subscribe: true };
        assert_eq!(request(Message::Subscription(update)), Some(wanted));
    }

    #[test]
    fn permissions_and_changes_of_tracks_are_read() {
        let wire = proto::SubscriptionPermission {
            all_participants: false,
            track_permissions: vec![proto::TrackPermission {
                participant_sid: "PA_a".into(),
                participant_identity: "ann".into(),
                all_tracks: false,
                track_sids: vec!["TR_a".into()],
            }],
        };
        let (participant, identity, tracks) = ("PA_a".into(), "ann".into(), vec!["TR_a".into()]);
        let listed = vec![TrackPermission { participant, identity, all_tracks: false, tracks }];
        let wanted = Request::SubscriptionPermission { everybody: false, listed };
        assert_eq!(request(Message::SubscriptionPermission(wire)), Some(wanted));
        let audio = proto::UpdateLocalAudioTrack { track_sid: "TR_a".into(), features: vec![0, 99] };
        let change = TrackChange::Audio { features: vec![0, 99] };
        let wanted = Request::UpdateTrack { track: "TR_a".into(), change };
        assert_eq!(request(Message::UpdateAudioTrack(audio)), Some(wanted));
        let video = proto::UpdateLocalVideoTrack { track_sid: "TR_v".into(), width: 640, height: 360 };
        let change = TrackChange::Video { width: 640, height: 360 };
        let wanted = Request::UpdateTrack { track: "TR_v".into(), change };
        assert_eq!(request(Message::UpdateVideoTrack(video)), Some(wanted));
    }

    #[test]
    fn every_scenario_is_played_or_refused() {
        use simulate_scenario::Scenario as Wire;
        let read = |scenario| request(Message::Simulate(proto::SimulateScenario { scenario }));
        for (wire, wanted) in [
            (Wire::SpeakerUpdate(3), Scenario::SpeakerUpdate(3)),
            (Wire::NodeFailure(true), Scenario::NodeFailure),
            (Wire::Migration(true), Scenario::Migration),
            (Wire::ServerLeave(true), Scenario::ServerLeave),
            (Wire::DisconnectSignalOnResume(true), Scenario::DisconnectSignalOnResume),
            (Wire::DisconnectSignalOnResumeNoMessages(true), Scenario::DisconnectSignalOnResumeNoMessages),
            (Wire::LeaveRequestFullReconnect(true), Scenario::LeaveRequestFullReconnect),
            (Wire::SwitchCandidateProtocol(0), Scenario::TcpAlone(false)),
            (Wire::SwitchCandidateProtocol(1), Scenario::TcpAlone(true)),
        ] {
            assert_eq!(read(Some(wire)), Some(Request::Simulate(wanted)));
        }
        let tls = Wire::SwitchCandidateProtocol(2);
        let refused =
            [Some(tls), Some(Wire::SwitchCandidateProtocol(7)), Some(Wire::SubscriberBandwidth(100_000)), None];
        for wire in refused {
            assert!(matches!(read(wire), Some(Request::Simulate(Scenario::Unplayable(_)))), "{wire:?}");
        }
        assert_eq!(read(Some(Wire::SubscriberBandwidth(0))), None);
    }

    #[test]
    fn what_is_not_acted_on() {
        assert_eq!(request(Message::Trickle(Default::default())), None);
        let blob = Message::GetDataBlobRequest(proto::GetDataBlobRequest { request_id: 7, ..Default::default() });
        assert_eq!(refused_request(&blob), None);
        assert_eq!(request(blob), Some(Request::Unsupported { request_id: 7 }));
        let data_track = proto::PublishDataTrackRequest { pub_handle: 9, ..Default::default() };
        let refusal = refused_request(&Message::PublishDataTrackRequest(data_track.clone())).unwrap();
        assert_eq!(refusal.request, Some(request_response::Request::PublishDataTrack(data_track)));
    }

    #[test]
    fn a_resuming_client_says_what_it_has() {
        let track = Some(proto::TrackInfo { sid: "TR_a".into(), ..Default::default() });
        let state = proto::SyncState {
            publish_tracks: vec![proto::TrackPublishedResponse { cid: "c".into(), track }],
            track_sids_disabled: vec!["TR_b".into()],
            datachannel_receive_states: vec![proto::DataChannelReceiveState {
                publisher_sid: "PA_b".into(),
                last_seq: 5,
            }],
            ..Default::default()
        };
        let wanted = SyncState {
            published: vec!["TR_a".into()],
            received: vec![("PA_b".into(), 5)],
            disabled: vec!["TR_b".into()],
        };
        assert_eq!(request(Message::SyncState(state)), Some(Request::SyncState(wanted)));
    }
}
