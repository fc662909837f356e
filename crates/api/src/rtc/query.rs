//! The query of a join: how it is written, and the parameters of `/rtc`.

use super::parameters::Parameters;
use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use livekit_protocol::client_info::Capability;
use std::collections::BTreeMap;
use trunkline_room::signal::Transports;

/// Base64url with or without padding; bits behind the last byte are nobody's business.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The first value of a name in a query, decoded (`application/x-www-form-urlencoded`).
pub(crate) fn parameter(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(key) == name).then(|| decoded(value))
    })
}

/// Undoes percent-encoding; broken escapes stay as they are, broken UTF-8 is replaced.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => break,
            [b'%', high, low, behind @ ..] => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    behind
                }
                _ => {
                    bytes.extend([b'%', *high, *low]);
                    behind
                }
            },
            [b'+', behind @ ..] => {
                bytes.push(b' ');
                behind
            }
            [byte, behind @ ..] => {
                bytes.push(*byte);
                behind
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Reads base64url; the standard alphabet is taken as well, for some clients write that.
pub(super) fn base64url(text: &str) -> Option<Vec<u8>> {
    let url_safe: Vec<u8> = text
        .trim_end()
        .bytes()
        .map(|byte| match byte {
            // A plus sign that was not escaped has become a space.
            b'+' | b' ' => b'-',
            b'/' => b'_',
            other => other,
        })
        .collect();
    LENIENT.decode(url_safe).ok()
}

/// What a client of `/rtc` states: everything is a parameter of its own.
///
/// # Errors
/// A text for the client.
pub(super) fn parameters(query: &str) -> Result<Parameters, &'static str> {
    let text = |name| parameter(query, name).unwrap_or_default();
    let number = |name| text(name).parse().unwrap_or(0);
    let attributes: BTreeMap<String, String> = match text("attributes").as_str() {
        "" => BTreeMap::new(),
        given => base64url(given)
            .and_then(|json| serde_json::from_slice(&json).ok())
            .ok_or("attributes are not base64url of a JSON object of strings")?,
    };
    let auto_subscribe = text("auto_subscribe");
    Ok(Parameters {
        transports: Transports::Dual,
        room: text("room"),
        protocol: number("protocol"),
        client_protocol: number("client_protocol"),
        capabilities: text("capabilities").split(',').filter_map(capability).collect(),
        auto_subscribe: auto_subscribe.is_empty() || is_true(&auto_subscribe),
        attributes,
        publish: text("publish"),
        resume: is_true(&text("reconnect")).then(|| text("sid").as_str().into()),
        ..Parameters::default()
    })
}

fn is_true(text: &str) -> bool {
    matches!(text, "1" | "true")
}

fn capability(name: &str) -> Option<i32> {
    Capability::from_str_name(name.trim()).map(i32::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded() {
        let query = "a=1&b=x%20y+z&%63=%C3%A4&b=2&flag&bad=%zz%4&nul=%ff";
        assert_eq!(parameter(query, "b").as_deref(), Some("x y z"));
        assert_eq!(parameter(query, "c").as_deref(), Some("ä"));
        assert_eq!(parameter(query, "flag").as_deref(), Some(""));
        assert_eq!(parameter(query, "bad").as_deref(), Some("%zz%4"));
        assert_eq!(parameter(query, "nul").as_deref(), Some("\u{fffd}"));
        assert_eq!((parameter(query, "d"), parameter("", "a")), (None, None));
    }

    #[test]
    fn base64_is_read_with_and_without_padding() {
        for text in ["-_-_AQ==", "-_-_AQ", "+/+/AQ==", " / /AQ", "-_-_AQ==\n"] {
            assert_eq!(base64url(text), Some(vec![0xfb, 0xff, 0xbf, 0x01]), "{text}");
        }
        assert_eq!((base64url("a"), base64url("ä")), (None, None));
        assert_eq!(base64url(""), Some(Vec::new()));
    }

    #[test]
    fn the_parameters_of_python() {
        let query = "sdk=python&os=Linux&device_model=Unknown&protocol=17&client_protocol=2&auto_subscribe=1\
             &adaptive_stream=0&version=1.1.21&capabilities=CAP_PACKET_TRAILER%2CCAP_COMPRESSION_DEFLATE_RAW%2CCAP_NEW";
        let read = parameters(query).unwrap();
        assert_eq!((read.transports, read.protocol, read.client_protocol), (Transports::Dual, 17, 2));
        assert_eq!((read.capabilities, read.auto_subscribe, read.resume), (vec![1, 2], true, None));
    }

    #[test]
    fn the_other_parameters() {
        let read = parameters("").unwrap();
        assert!(read.auto_subscribe && read.resume.is_none() && read.publish.is_empty());
        let read = parameters("auto_subscribe=0&reconnect=1&sid=PA_a&publish=screen&attributes=eyJhIjoiYiJ9").unwrap();
        assert_eq!((read.auto_subscribe, read.publish.as_str()), (false, "screen"));
        assert_eq!(read.resume, Some("PA_a".into()));
        assert_eq!(read.attributes["a"], "b");
        for bad in ["attributes=!", "attributes=e30x", "attributes=eyJhIjoxfQ"] {
            assert!(parameters(bad).is_err(), "{bad}");
        }
    }
}
