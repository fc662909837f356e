//! Trunks: LiveKit's `SIPInboundTrunkInfo`, `SIPOutboundTrunkInfo`, their updates, and the
//! deprecated `SIPTrunkInfo`.

#![expect(deprecated, reason = "deprecated fields of LiveKit's messages are kept both ways")]

use super::media::{
    deprecated_encryption, duration_from, encryption_from, folded_media, include_headers, include_headers_from,
    list_update, media, media_from, millis_from, sorted, timestamp,
};
use crate::twirp::TwirpError;
use livekit_protocol as proto;
use pbjson_types::Duration as ProtoDuration;
use trunkline_routing::{
    patch::{InboundTrunkPatch, ListFilter, OutboundTrunkPatch},
    record::{InboundTrunk, OutboundTrunk},
};

/// Reads an inbound trunk.
pub(crate) fn inbound_trunk_from(info: proto::SipInboundTrunkInfo) -> Result<InboundTrunk, TwirpError> {
    let media_encryption = encryption_from("media_encryption", info.media_encryption)?;
    Ok(InboundTrunk {
        id: info.sip_trunk_id.into(),
        name: info.name,
        metadata: info.metadata,
        numbers: info.numbers,
        allowed_addresses: info.allowed_addresses,
        allowed_numbers: info.allowed_numbers,
        auth_username: info.auth_username,
        auth_password: info.auth_password,
        auth_realm: info.auth_realm,
        headers: sorted(info.headers),
        headers_to_attributes: sorted(info.headers_to_attributes),
        attributes_to_headers: sorted(info.attributes_to_headers),
        include_headers: include_headers_from(info.include_headers)?,
        ringing_timeout: duration_from("ringing_timeout", info.ringing_timeout)?,
        ringing_timeout_status: ringing_status_from(info.ringing_timeout_status)?,
        max_call_duration: duration_from("max_call_duration", info.max_call_duration)?,
        krisp_enabled: info.krisp_enabled,
        media_encryption,
        media: folded_media(info.media, media_encryption)?,
        created_at_ms: millis_from(info.created_at),
        updated_at_ms: millis_from(info.updated_at),
    })
}

/// A final failure status that LiveKit's `SIPStatusCode` names, or 0.
fn ringing_status_from(number: i32) -> Result<u16, TwirpError> {
    match u16::try_from(number) {
        Ok(status @ (0 | 300..=699)) if proto::SipStatusCode::try_from(number).is_ok() => Ok(status),
        _ => Err(TwirpError::invalid(
            "ringing_timeout_status",
            format_args!("is {number}, which is no failure status of SIPStatusCode"),
        )),
    }
}

/// Writes an inbound trunk.
pub(crate) fn inbound_trunk(trunk: &InboundTrunk) -> proto::SipInboundTrunkInfo {
    proto::SipInboundTrunkInfo {
        sip_trunk_id: trunk.id.as_str().to_owned(),
        name: trunk.name.clone(),
        metadata: trunk.metadata.clone(),
        numbers: trunk.numbers.clone(),
        allowed_addresses: trunk.allowed_addresses.clone(),
        allowed_numbers: trunk.allowed_numbers.clone(),
        auth_username: trunk.auth_username.clone(),
        auth_password: trunk.auth_password.clone(),
        auth_realm: trunk.auth_realm.clone(),
        headers: trunk.headers.clone().into_iter().collect(),
        headers_to_attributes: trunk.headers_to_attributes.clone().into_iter().collect(),
        attributes_to_headers: trunk.attributes_to_headers.clone().into_iter().collect(),
        include_headers: include_headers(trunk.include_headers),
        ringing_timeout: trunk.ringing_timeout.map(ProtoDuration::from),
        ringing_timeout_status: trunk.ringing_timeout_status.into(),
        max_call_duration: trunk.max_call_duration.map(ProtoDuration::from),
        krisp_enabled: trunk.krisp_enabled,
        media_encryption: deprecated_encryption(trunk.media.as_ref(), trunk.media_encryption),
        media: trunk.media.as_ref().map(media),
        created_at: timestamp(trunk.created_at_ms),
        updated_at: timestamp(trunk.updated_at_ms),
    }
}

/// Reads an outbound trunk.
pub(crate) fn outbound_trunk_from(info: proto::SipOutboundTrunkInfo) -> Result<OutboundTrunk, TwirpError> {
    let media_encryption = encryption_from("media_encryption", info.media_encryption)?;
    Ok(OutboundTrunk {
        id: info.sip_trunk_id.into(),
        name: info.name,
        metadata: info.metadata,
        address: info.address,
        destination_country: info.destination_country,
        transport: transport_from(info.transport)?,
        numbers: info.numbers,
        auth_username: info.auth_username,
        auth_password: info.auth_password,
        headers: sorted(info.headers),
        headers_to_attributes: sorted(info.headers_to_attributes),
        attributes_to_headers: sorted(info.attributes_to_headers),
        include_headers: include_headers_from(info.include_headers)?,
        from_host: info.from_host,
        media_encryption,
        media: folded_media(info.media, media_encryption)?,
        created_at_ms: millis_from(info.created_at),
        updated_at_ms: millis_from(info.updated_at),
    })
}

fn transport_from(number: i32) -> Result<i32, TwirpError> {
    proto::SipTransport::try_from(number)
        .map(i32::from)
        .map_err(|_| TwirpError::invalid("transport", format_args!("is {number}, which is no SIPTransport")))
}

/// Writes an outbound trunk.
pub(crate) fn outbound_trunk(trunk: &OutboundTrunk) -> proto::SipOutboundTrunkInfo {
    proto::SipOutboundTrunkInfo {
        sip_trunk_id: trunk.id.as_str().to_owned(),
        name: trunk.name.clone(),
        metadata: trunk.metadata.clone(),
        address: trunk.address.clone(),
        destination_country: trunk.destination_country.clone(),
        transport: trunk.transport,
        numbers: trunk.numbers.clone(),
        auth_username: trunk.auth_username.clone(),
        auth_password: trunk.auth_password.clone(),
        headers: trunk.headers.clone().into_iter().collect(),
        headers_to_attributes: trunk.headers_to_attributes.clone().into_iter().collect(),
        attributes_to_headers: trunk.attributes_to_headers.clone().into_iter().collect(),
        include_headers: include_headers(trunk.include_headers),
        media_encryption: deprecated_encryption(trunk.media.as_ref(), trunk.media_encryption),
        media: trunk.media.as_ref().map(media),
        from_host: trunk.from_host.clone(),
        created_at: timestamp(trunk.created_at_ms),
        updated_at: timestamp(trunk.updated_at_ms),
    }
}

/// Reads `SIPInboundTrunkUpdate`.
pub(crate) fn inbound_trunk_patch(update: proto::SipInboundTrunkUpdate) -> Result<InboundTrunkPatch, TwirpError> {
    Ok(InboundTrunkPatch {
        numbers: update.numbers.map(list_update),
        allowed_addresses: update.allowed_addresses.map(list_update),
        allowed_numbers: update.allowed_numbers.map(list_update),
        auth_username: update.auth_username,
        auth_password: update.auth_password,
        auth_realm: update.auth_realm,
        name: update.name,
        metadata: update.metadata,
        media_encryption: update
            .media_encryption
            .map(|number| encryption_from("media_encryption", number))
            .transpose()?,
        media: update.media.map(media_from).transpose()?,
    })
}

/// Reads `SIPOutboundTrunkUpdate`.
pub(crate) fn outbound_trunk_patch(update: proto::SipOutboundTrunkUpdate) -> Result<OutboundTrunkPatch, TwirpError> {
    Ok(OutboundTrunkPatch {
        address: update.address,
        transport: update.transport.map(transport_from).transpose()?,
        destination_country: update.destination_country,
        numbers: update.numbers.map(list_update),
        auth_username: update.auth_username,
        auth_password: update.auth_password,
        name: update.name,
        metadata: update.metadata,
        from_host: update.from_host,
        media_encryption: update
            .media_encryption
            .map(|number| encryption_from("media_encryption", number))
            .transpose()?,
        media: update.media.map(media_from).transpose()?,
    })
}

/// The filters of a list method; a limit of zero or less is none.
pub(crate) fn list_filter(page: Option<proto::Pagination>, ids: Vec<String>) -> ListFilter {
    let (after_id, limit) = page.map(|page| (page.after_id, page.limit)).unwrap_or_default();
    ListFilter { ids, after_id, limit: usize::try_from(limit).unwrap_or(0), ..ListFilter::default() }
}

/// An inbound trunk as the deprecated `ListSIPTrunk` shows it.
pub(crate) fn legacy_inbound(trunk: InboundTrunk) -> proto::SipTrunkInfo {
    proto::SipTrunkInfo {
        sip_trunk_id: trunk.id.as_str().to_owned(),
        kind: proto::sip_trunk_info::TrunkKind::TrunkInbound.into(),
        inbound_addresses: trunk.allowed_addresses,
        outbound_number: trunk.numbers.into_iter().next().unwrap_or_default(),
        inbound_numbers: trunk.allowed_numbers,
        inbound_username: trunk.auth_username,
        inbound_password: trunk.auth_password,
        name: trunk.name,
        metadata: trunk.metadata,
        ..Default::default()
    }
}

/// An outbound trunk as the deprecated `ListSIPTrunk` shows it.
pub(crate) fn legacy_outbound(trunk: OutboundTrunk) -> proto::SipTrunkInfo {
    proto::SipTrunkInfo {
        sip_trunk_id: trunk.id.as_str().to_owned(),
        kind: proto::sip_trunk_info::TrunkKind::TrunkOutbound.into(),
        outbound_address: trunk.address,
        outbound_number: trunk.numbers.into_iter().next().unwrap_or_default(),
        transport: trunk.transport,
        outbound_username: trunk.auth_username,
        outbound_password: trunk.auth_password,
        name: trunk.name,
        metadata: trunk.metadata,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_field_of_an_inbound_trunk_survives() {
        let info: proto::SipInboundTrunkInfo = serde_json::from_value(json!({
            "sip_trunk_id": "ST_a", "name": "n", "metadata": "m", "numbers": ["+1"],
            "allowedAddresses": ["10.0.0.0/8"], "allowed_numbers": ["+2"], "auth_username": "u",
            "auth_password": "p", "auth_realm": "r", "headers": {"X-A": "1"},
            "headers_to_attributes": {"X-B": "b"}, "attributes_to_headers": {"c": "X-C"},
            "include_headers": "SIP_X_HEADERS", "ringing_timeout": "5s", "ringing_timeout_status": "SIP_STATUS_BUSY_HERE",
            "max_call_duration": "3600s", "krisp_enabled": true, "media_encryption": "SIP_MEDIA_ENCRYPT_ALLOW",
            "media": {"only_listed_codecs": true, "codecs": [{"name": "PCMU", "rate": 8000}],
                      "encryption": "SIP_MEDIA_ENCRYPT_ALLOW", "media_timeout": "30.500s"},
            "created_at": "2024-01-02T03:04:05.678Z", "updated_at": "2024-01-02T03:04:06Z",
        }))
        .unwrap();
        let record = inbound_trunk_from(info.clone()).unwrap();
        assert_eq!(inbound_trunk(&record), info);
    }

    #[test]
    fn every_field_of_an_outbound_trunk_survives() {
        let info: proto::SipOutboundTrunkInfo = serde_json::from_value(json!({
            "sip_trunk_id": "ST_a", "name": "n", "metadata": "m", "address": "pbx.example:5060",
            "destination_country": "DE", "transport": "SIP_TRANSPORT_TLS", "numbers": ["+1"],
            "auth_username": "u", "auth_password": "p", "headers": {"X-A": "1"},
            "headers_to_attributes": {"X-B": "b"}, "attributes_to_headers": {"c": "X-C"},
            "include_headers": "SIP_ALL_HEADERS", "from_host": "h", "media": {"codecs": [{"name": "G722"}]},
            "created_at": "2024-01-02T03:04:05.678Z", "updated_at": "2024-01-02T03:04:06Z",
        }))
        .unwrap();
        let record = outbound_trunk_from(info.clone()).unwrap();
        assert_eq!(outbound_trunk(&record), info);
    }

    #[test]
    fn numbers_that_no_enum_knows_are_refused() {
        let bad = [
            proto::SipInboundTrunkInfo { media_encryption: 3, ..Default::default() },
            proto::SipInboundTrunkInfo { include_headers: -1, ..Default::default() },
            proto::SipInboundTrunkInfo { ringing_timeout_status: 200, ..Default::default() },
            proto::SipInboundTrunkInfo { ringing_timeout_status: 499, ..Default::default() },
            proto::SipInboundTrunkInfo {
                media: Some(proto::SipMediaConfig { encryption: Some(9), ..Default::default() }),
                ..Default::default()
            },
        ];
        for info in bad {
            assert!(inbound_trunk_from(info).is_err());
        }
        assert!(outbound_trunk_from(proto::SipOutboundTrunkInfo { transport: 4, ..Default::default() }).is_err());
    }
}
