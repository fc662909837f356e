//! What trunks and rules have in common: media, durations, times, maps and list updates.

use crate::twirp::TwirpError;
use livekit_protocol as proto;
use pbjson_types::{Duration as ProtoDuration, Timestamp};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};
use trunkline_routing::{
    patch::ListUpdate,
    record::{IncludeHeaders, MediaCodec, MediaConfig, MediaEncryption},
};

/// A protobuf map, in the order of its keys.
pub(crate) fn sorted(map: HashMap<String, String>) -> BTreeMap<String, String> {
    map.into_iter().collect()
}

/// `SIPMediaEncryption`; `field` names it in the error.
pub(crate) fn encryption_from(field: &str, number: i32) -> Result<MediaEncryption, TwirpError> {
    match proto::SipMediaEncryption::try_from(number) {
        Ok(proto::SipMediaEncryption::SipMediaEncryptDisable) => Ok(MediaEncryption::SipMediaEncryptDisable),
        Ok(proto::SipMediaEncryption::SipMediaEncryptAllow) => Ok(MediaEncryption::SipMediaEncryptAllow),
        Ok(proto::SipMediaEncryption::SipMediaEncryptRequire) => Ok(MediaEncryption::SipMediaEncryptRequire),
        Err(_) => Err(TwirpError::invalid(field, format_args!("is {number}, which is no SIPMediaEncryption"))),
    }
}

/// `SIPMediaEncryption` as a number.
pub(crate) const fn encryption(value: MediaEncryption) -> i32 {
    match value {
        MediaEncryption::SipMediaEncryptDisable => proto::SipMediaEncryption::SipMediaEncryptDisable as i32,
        MediaEncryption::SipMediaEncryptAllow => proto::SipMediaEncryption::SipMediaEncryptAllow as i32,
        MediaEncryption::SipMediaEncryptRequire => proto::SipMediaEncryption::SipMediaEncryptRequire as i32,
    }
}

/// `SIPHeaderOptions`.
pub(crate) fn include_headers_from(number: i32) -> Result<IncludeHeaders, TwirpError> {
    match proto::SipHeaderOptions::try_from(number) {
        Ok(proto::SipHeaderOptions::SipNoHeaders) => Ok(IncludeHeaders::SipNoHeaders),
        Ok(proto::SipHeaderOptions::SipXHeaders) => Ok(IncludeHeaders::SipXHeaders),
        Ok(proto::SipHeaderOptions::SipAllHeaders) => Ok(IncludeHeaders::SipAllHeaders),
        Err(_) => {
            Err(TwirpError::invalid("include_headers", format_args!("is {number}, which is no SIPHeaderOptions")))
        }
    }
}

/// `SIPHeaderOptions` as a number.
pub(crate) const fn include_headers(value: IncludeHeaders) -> i32 {
    match value {
        IncludeHeaders::SipNoHeaders => proto::SipHeaderOptions::SipNoHeaders as i32,
        IncludeHeaders::SipXHeaders => proto::SipHeaderOptions::SipXHeaders as i32,
        IncludeHeaders::SipAllHeaders => proto::SipHeaderOptions::SipAllHeaders as i32,
    }
}

/// `SIPMediaConfig`.
pub(crate) fn media_from(config: proto::SipMediaConfig) -> Result<MediaConfig, TwirpError> {
    let encryption = config.encryption.map(|number| encryption_from("media.encryption", number)).transpose()?;
    Ok(MediaConfig {
        only_listed_codecs: config.only_listed_codecs,
        codecs: config.codecs.into_iter().map(|codec| MediaCodec { name: codec.name, rate: codec.rate }).collect(),
        encryption,
        media_timeout: duration_from("media.media_timeout", config.media_timeout)?,
    })
}

/// `SIPMediaConfig`.
pub(crate) fn media(config: &MediaConfig) -> proto::SipMediaConfig {
    let codec = |codec: &MediaCodec| proto::SipCodec { name: codec.name.clone(), rate: codec.rate };
    proto::SipMediaConfig {
        only_listed_codecs: config.only_listed_codecs,
        codecs: config.codecs.iter().map(codec).collect(),
        encryption: config.encryption.map(encryption),
        media_timeout: config.media_timeout.map(ProtoDuration::from),
    }
}

/// `media` of a whole record, with the deprecated `media_encryption` folded in when `media` does
/// not state its own.
pub(crate) fn folded_media(
    config: Option<proto::SipMediaConfig>,
    deprecated: MediaEncryption,
) -> Result<Option<MediaConfig>, TwirpError> {
    let mut config = config.map(media_from).transpose()?;
    if deprecated != MediaEncryption::SipMediaEncryptDisable {
        config.get_or_insert_default().encryption.get_or_insert(deprecated);
    }
    Ok(config)
}

/// The deprecated `media_encryption` of a record: what `media` states, else what is stored.
pub(crate) fn deprecated_encryption(config: Option<&MediaConfig>, stored: MediaEncryption) -> i32 {
    encryption(config.and_then(|config| config.encryption).unwrap_or(stored))
}

/// A protobuf duration; negative ones and broken nanoseconds are refused.
pub(crate) fn duration_from(field: &str, value: Option<ProtoDuration>) -> Result<Option<Duration>, TwirpError> {
    let Some(value) = value else { return Ok(None) };
    match (u64::try_from(value.seconds), u32::try_from(value.nanos)) {
        (Ok(seconds), Ok(nanos)) if nanos < 1_000_000_000 => Ok(Some(Duration::new(seconds, nanos))),
        _ => Err(TwirpError::invalid(field, "must be a duration of zero or more")),
    }
}

/// Unix milliseconds of a protobuf timestamp; 0 for none.
pub(crate) fn millis_from(value: Option<Timestamp>) -> i64 {
    value.map_or(0, |at| at.seconds.saturating_mul(1_000).saturating_add(i64::from(at.nanos) / 1_000_000))
}

/// A protobuf timestamp; none for 0.
pub(crate) fn timestamp(millis: i64) -> Option<Timestamp> {
    let nanos = i32::try_from(millis.rem_euclid(1_000)).unwrap_or(0).saturating_mul(1_000_000);
    (millis != 0).then(|| Timestamp { seconds: millis.div_euclid(1_000), nanos })
}

/// `ListUpdate`.
pub(crate) fn list_update(update: proto::ListUpdate) -> ListUpdate {
    ListUpdate { set: update.set, add: update.add, remove: update.remove, clear: update.clear }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deprecated_encryption_is_folded_unless_media_states_it() {
        let require = MediaEncryption::SipMediaEncryptRequire;
        let folded = folded_media(None, require).unwrap().unwrap();
        assert_eq!(folded.encryption, Some(require));

        let stated = proto::SipMediaConfig { encryption: Some(1), ..Default::default() };
        let folded = folded_media(Some(stated), require).unwrap().unwrap();
        assert_eq!(folded.encryption, Some(MediaEncryption::SipMediaEncryptAllow));
        assert_eq!(deprecated_encryption(Some(&folded), require), 1);

        assert_eq!(folded_media(None, MediaEncryption::SipMediaEncryptDisable).unwrap(), None);
    }

    #[test]
    fn durations_are_checked() {
        let wire = |seconds, nanos| Some(ProtoDuration { seconds, nanos });
        assert_eq!(duration_from("x", wire(2, 5)).unwrap(), Some(Duration::new(2, 5)));
        assert_eq!(duration_from("x", None).unwrap(), None);
        for bad in [wire(-1, 0), wire(0, -1), wire(0, 1_000_000_000), wire(i64::MIN, i32::MIN)] {
            assert!(duration_from("x", bad).is_err());
        }
        assert!(duration_from("x", wire(i64::MAX, 999_999_999)).is_ok());
    }

    #[test]
    fn times_keep_their_milliseconds() {
        for millis in [1, 1_700_000_000_123, -1] {
            assert_eq!(millis_from(timestamp(millis)), millis);
        }
        assert_eq!(timestamp(0), None);
    }
}
