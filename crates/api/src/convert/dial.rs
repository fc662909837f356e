//! Calling out: LiveKit's `CreateSIPParticipantRequest` and `SIPParticipantInfo`.

#![expect(deprecated, reason = "play_ringtone and media_encryption are deprecated and still sent")]

use super::media::{duration_from, encryption_from, folded_media, include_headers_from, sorted};
use crate::twirp::TwirpError;
use livekit_protocol::{self as proto, sip_named_dest, sip_request_dest};
use trunkline_exchange::command::{DialRequest, SipParticipant};
use trunkline_routing::{
    dial::{Dial, NamedTarget, Target, TargetParts},
    record::{IncludeHeaders, OutboundTrunk},
};

/// Reads the request; what it says is not yet checked but for its types.
pub(crate) fn dial_request(request: proto::CreateSipParticipantRequest) -> Result<DialRequest, TwirpError> {
    let encryption = encryption_from("media_encryption", request.media_encryption)?;
    let destination = request.destination.unwrap_or_default();
    if !destination.city.is_empty() && destination.country.is_empty() && destination.region.is_empty() {
        return Err(TwirpError::invalid("destination.city", "needs a country or a region beside it"));
    }
    let include_headers = include_headers_from(request.include_headers)?;
    let dial = Dial {
        trunk_id: request.sip_trunk_id,
        trunk: request.trunk.map(inline_trunk).transpose()?.map(Box::new),
        call_to: request.sip_call_to,
        request_uri: request.sip_request_uri.map(|dest| request_uri(dest.uri)).transpose()?,
        to_header: request.sip_to_header.map(|dest| named("sip_to_header", dest)).transpose()?,
        from_header: request.sip_from_header.map(|dest| named("sip_from_header", dest)).transpose()?,
        to_user_override: request.to_user_override,
        number: request.sip_number,
        display_name: request.display_name,
        headers: sorted(request.headers),
        include_headers: (include_headers != IncludeHeaders::SipNoHeaders).then_some(include_headers),
        destination_country: destination.country,
    };
    let stated = |field, value| duration_from(field, value).map(|d| d.filter(|d| !d.is_zero()));
    Ok(DialRequest {
        dial,
        room_name: request.room_name,
        identity: request.participant_identity,
        name: request.participant_name,
        metadata: request.participant_metadata,
        attributes: sorted(request.participant_attributes),
        dtmf: request.dtmf,
        play_dialtone: request.play_dialtone || request.play_ringtone,
        hide_phone_number: request.hide_phone_number,
        ringing_timeout: stated("ringing_timeout", request.ringing_timeout)?,
        max_call_duration: stated("max_call_duration", request.max_call_duration)?,
        media: folded_media(request.media, encryption)?,
        wait_until_answered: request.wait_until_answered,
    })
}

/// Writes who was called.
pub(crate) fn sip_participant(info: &SipParticipant) -> proto::SipParticipantInfo {
    proto::SipParticipantInfo {
        participant_id: info.participant.to_string(),
        participant_identity: info.identity.clone(),
        room_name: info.room_name.clone(),
        sip_call_id: info.call.to_string(),
    }
}

/// `SIPOutboundConfig`: a trunk without a number and without an id.
fn inline_trunk(config: proto::SipOutboundConfig) -> Result<OutboundTrunk, TwirpError> {
    Ok(OutboundTrunk {
        address: config.hostname,
        destination_country: config.destination_country,
        transport: transport("trunk.transport", config.transport)?,
        auth_username: config.auth_username,
        auth_password: config.auth_password,
        headers_to_attributes: sorted(config.headers_to_attributes),
        attributes_to_headers: sorted(config.attributes_to_headers),
        from_host: config.from_host,
        ..OutboundTrunk::default()
    })
}

fn transport(field: &str, number: i32) -> Result<i32, TwirpError> {
    match proto::SipTransport::try_from(number) {
        Ok(known) => Ok(known.into()),
        Err(_) => Err(TwirpError::invalid(field, format_args!("is {number}, which is no SIPTransport"))),
    }
}

fn request_uri(uri: Option<sip_request_dest::Uri>) -> Result<Target, TwirpError> {
    match uri {
        Some(sip_request_dest::Uri::Raw(raw)) => Ok(Target::Raw(raw)),
        Some(sip_request_dest::Uri::Values(values)) => parts("sip_request_uri", values),
        None => Err(TwirpError::invalid("sip_request_uri", "needs raw or values")),
    }
}

fn named(field: &str, dest: proto::SipNamedDest) -> Result<NamedTarget, TwirpError> {
    let uri = match dest.uri {
        Some(sip_named_dest::Uri::Raw(raw)) => Target::Raw(raw),
        Some(sip_named_dest::Uri::Values(values)) => parts(field, values)?,
        None => return Err(TwirpError::invalid(field, "needs raw or values")),
    };
    Ok(NamedTarget { display_name: dest.display_name, uri })
}

fn parts(field: &str, uri: proto::SipUri) -> Result<Target, TwirpError> {
    let transport = transport(&format!("{field}.transport"), uri.transport)?;
    Ok(Target::Values(TargetParts { user: uri.user, host: uri.host, ip: uri.ip, port: uri.port, transport }))
}
