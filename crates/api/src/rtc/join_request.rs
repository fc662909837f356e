//! The parameter `join_request` of `/rtc/v1`: base64url of a `WrappedJoinRequest`.

use super::{
    parameters::Parameters,
    query::{base64url, parameter},
};
use crate::convert;
use flate2::read::GzDecoder;
use livekit_protocol::{self as proto, wrapped_join_request::Compression};
use prost::Message;
use std::io::Read;
use trunkline_room::signal::Transports;

/// The largest `JoinRequest`, in bytes after decompression.
const MAX: usize = 1024 * 1024;

/// What a client of `/rtc/v1` states.
///
/// # Errors
/// A text for the client.
pub(super) fn parameters(query: &str) -> Result<Parameters, &'static str> {
    let encoded = parameter(query, "join_request").filter(|value| !value.is_empty());
    let wrapped = base64url(&encoded.ok_or("join_request is required")?).ok_or("join_request is not base64url")?;
    let wrapped = proto::WrappedJoinRequest::decode(wrapped.as_slice())
        .map_err(|_| "join_request is not a WrappedJoinRequest")?;
    let message = match wrapped.compression() {
        Compression::None if wrapped.compression == 0 => wrapped.join_request,
        Compression::Gzip => inflated(&wrapped.join_request)?,
        Compression::None => return Err("join_request is compressed in an unknown way"),
    };
    if message.len() > MAX {
        return Err("join_request is too large");
    }
    let request = proto::JoinRequest::decode(message.as_slice()).map_err(|_| "join_request holds no JoinRequest")?;
    Ok(read(request, query))
}

fn inflated(compressed: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut message = Vec::new();
    let limit = u64::try_from(MAX).unwrap_or(u64::MAX).saturating_add(1);
    GzDecoder::new(compressed)
        .take(limit)
        .read_to_end(&mut message)
        .map_err(|_| "join_request is not compressed with GZIP, as it says")?;
    Ok(message)
}

fn read(request: proto::JoinRequest, query: &str) -> Parameters {
    let client = request.client_info.unwrap_or_default();
    let settings = request.connection_settings.unwrap_or_default();
    Parameters {
        transports: Transports::Single,
        room: parameter(query, "room").unwrap_or_default(),
        protocol: client.protocol,
        client_protocol: client.client_protocol,
        capabilities: client.capabilities,
        auto_subscribe: settings.auto_subscribe,
        metadata: request.metadata,
        attributes: request.participant_attributes.into_iter().collect(),
        publish: String::new(),
        resume: request.reconnect.then(|| request.participant_sid.into()),
        add_tracks: request.add_track_requests.into_iter().filter_map(convert::add_track).collect(),
        offer: request.publisher_offer.map(convert::description).filter(|offer| !offer.sdp.is_empty()),
        sync: request.sync_state.map(convert::sync_state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{
        Engine,
        engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD},
    };
    use flate2::{Compression as Level, write::GzEncoder};
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Level::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn wrapped(compression: i32, join_request: Vec<u8>) -> Vec<u8> {
        proto::WrappedJoinRequest { compression, join_request }.encode_to_vec()
    }

    fn request() -> Vec<u8> {
        proto::JoinRequest {
            client_info: Some(proto::ClientInfo {
                protocol: 17,
                client_protocol: 2,
                capabilities: vec![1, 2],
                ..Default::default()
            }),
            publisher_offer: Some(proto::SessionDescription { sdp: "v=0".into(), id: 7, ..Default::default() }),
            add_track_requests: vec![proto::AddTrackRequest { cid: "c".into(), ..Default::default() }],
            ..Default::default()
        }
        .encode_to_vec()
    }

    #[test]
    fn plain_and_compressed_with_and_without_padding() {
        for bytes in [wrapped(0, request()), wrapped(1, gzip(&request()))] {
            let padded = URL_SAFE.encode(&bytes);
            for text in [padded.replace('=', "%3D"), padded, URL_SAFE_NO_PAD.encode(&bytes)] {
                let read = parameters(&format!("x=1&join_request={text}")).unwrap();
                assert_eq!((read.protocol, read.client_protocol, read.capabilities), (17, 2, vec![1, 2]));
                assert_eq!((read.offer.unwrap().id, read.add_tracks[0].cid.as_str()), (7, "c"));
                assert_eq!((read.transports, read.auto_subscribe, read.resume), (Transports::Single, false, None));
            }
        }
    }

    #[test]
    fn an_inflated_request_is_bounded() {
        let of = |bytes: usize| {
            let metadata = "m".repeat(bytes - 4);
            let message = proto::JoinRequest { metadata, ..Default::default() }.encode_to_vec();
            let query = format!("join_request={}", URL_SAFE.encode(wrapped(1, gzip(&message))));
            (message.len(), parameters(&query).err())
        };
        assert_eq!(of(MAX), (MAX, None));
        assert_eq!(of(MAX + 1), (MAX + 1, Some("join_request is too large")));
        assert_eq!(of(64 * MAX).1, Some("join_request is too large"));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let encoded = |bytes: Vec<u8>| format!("join_request={}", URL_SAFE.encode(bytes));
        for (query, error) in [
            (String::new(), "join_request is required"),
            ("join_request=".into(), "join_request is required"),
            ("join_request=!".into(), "join_request is not base64url"),
            (encoded(vec![0xff]), "join_request is not a WrappedJoinRequest"),
            (encoded(wrapped(0, vec![0xff])), "join_request holds no JoinRequest"),
            (encoded(wrapped(1, request())), "join_request is not compressed with GZIP, as it says"),
            (
                encoded(wrapped(1, gzip(&request())[..20].to_vec())),
                "join_request is not compressed with GZIP, as it says",
            ),
            (encoded(wrapped(9, request())), "join_request is compressed in an unknown way"),
        ] {
            assert_eq!(parameters(&query).err(), Some(error), "{query}");
        }
    }
}
