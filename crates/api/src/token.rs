//! LiveKit's access tokens: JSON Web Tokens signed with HS256 (RFC 7519, LiveKit's `auth` package).

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use std::{collections::BTreeMap, fmt, time::Duration};
use trunkline_types::Time;

/// How far the clocks of a client and ours may differ, seconds.
const LEEWAY_SECONDS: f64 = 60.0;

/// API keys and their secrets.
#[derive(Clone, Default)]
pub struct Keys(BTreeMap<String, String>);

impl Keys {
    /// Keys by name: API key → secret.
    pub const fn new(keys: BTreeMap<String, String>) -> Self {
        Self(keys)
    }

    /// The secret of a key.
    pub fn secret(&self, api_key: &str) -> Option<&str> {
        self.0.get(api_key).map(String::as_str)
    }
}

impl From<BTreeMap<String, String>> for Keys {
    fn from(keys: BTreeMap<String, String>) -> Self {
        Self(keys)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// LiveKit's `VideoGrant`. `None` of the tri-state fields means: not stated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are LiveKit's own")]
pub struct VideoGrant {
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub room_create: bool,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub room_list: bool,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub room_record: bool,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub room_admin: bool,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub room_join: bool,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub room: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub destination_room: String,
    #[serde(skip_serializing_if = "is_default")]
    pub can_publish: Option<bool>,
    #[serde(skip_serializing_if = "is_default")]
    pub can_subscribe: Option<bool>,
    #[serde(skip_serializing_if = "is_default")]
    pub can_publish_data: Option<bool>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub can_publish_sources: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub can_update_own_metadata: Option<bool>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub ingress_admin: bool,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub hidden: bool,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub recorder: bool,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub agent: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub can_subscribe_metrics: Option<bool>,
    #[serde(skip_serializing_if = "is_default")]
    pub can_manage_agent_session: Option<bool>,
}

/// LiveKit's `SIPGrant`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SipGrant {
    /// Trunks and dispatch rules.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub admin: bool,
    /// Calls and transfers.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub call: bool,
}

/// What a token says, beside who signed it and until when it is good.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Claims {
    /// The participant's identity: `sub`, or `jti` if `sub` is empty.
    #[serde(rename = "sub", deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub identity: String,
    /// The participant's name.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub name: String,
    /// The participant's kind in lower case; empty for `standard`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub kind: String,
    /// LiveKit's `kindDetails`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub kind_details: Vec<String>,
    /// The participant's metadata.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub metadata: String,
    /// The participant's attributes.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub attributes: BTreeMap<String, String>,
    /// What is allowed in rooms.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub video: VideoGrant,
    /// What is allowed with trunks, rules and calls.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub sip: SipGrant,
    /// `RoomConfiguration` as protobuf JSON, for the room that the first join creates.
    #[serde(skip_serializing_if = "is_default")]
    pub room_config: Option<serde_json::Value>,
    /// Kept, not interpreted.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub room_preset: String,
    /// Of a participant that is moved to this room: its sid there, where its place is kept. Our own.
    #[serde(rename = "trunkline.place", deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub place: String,
    /// Of a webhook: standard base64 of the body's SHA-256.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub sha256: String,
}

/// The claims RFC 7519 registers, as far as tokens of LiveKit have them.
#[derive(Serialize, Deserialize)]
struct Registered {
    #[serde(default, deserialize_with = "or_default")]
    iss: String,
    exp: Option<f64>,
    nbf: Option<f64>,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    jti: String,
}

/// What is signed when a token is minted.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Minted<'a> {
    iss: &'a str,
    nbf: i64,
    exp: i64,
    #[serde(flatten)]
    claims: &'a Claims,
}

/// Why a token was refused or could not be made. No variant holds any part of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum TokenError {
    #[error("invalid token: not a JSON Web Token signed with HS256")]
    Malformed,
    #[error("invalid token: its API key (iss) is not one of this server's")]
    UnknownKey,
    #[error("invalid token: the signature does not match the API key's secret")]
    Signature,
    #[error("invalid token: it has no expiry (exp)")]
    NoExpiry,
    #[error("invalid token: it has expired (exp)")]
    Expired,
    #[error("invalid token: it is not valid yet (nbf)")]
    NotYet,
    #[error("the token could not be signed")]
    Signing,
}

/// What a good token says, who signed it and until when it is good.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verified {
    pub(crate) claims: Claims,
    /// Its `iss`.
    pub(crate) api_key: String,
    /// Its `exp`, without leeway.
    pub(crate) expires_unix_seconds: i64,
}

/// Checks a token: HS256 with the secret of its `iss`, `exp` and `nbf` with 60 s leeway.
///
/// # Errors
/// What is wrong with it.
pub fn verify(token: &str, keys: &Keys, now: Time) -> Result<Claims, TokenError> {
    verified(token, keys, now).map(|verified| verified.claims)
}

/// [`verify`] for those who will sign a token in its place.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn verified(token: &str, keys: &Keys, now: Time) -> Result<Verified, TokenError> {
    let mut unchecked = validation();
    unchecked.insecure_disable_signature_validation();
    let nobody = DecodingKey::from_secret(&[]);
    let registered: Registered = decode(token, &nobody, &unchecked).map_err(|_| TokenError::Malformed)?;
    let secret = keys.secret(&registered.iss).ok_or(TokenError::UnknownKey)?;

    let key = DecodingKey::from_secret(secret.as_bytes());
    let mut claims: Claims = decode(token, &key, &validation()).map_err(|error| match error.kind() {
        jsonwebtoken::errors::ErrorKind::InvalidSignature => TokenError::Signature,
        _ => TokenError::Malformed,
    })?;

    let seconds = now.unix_seconds() as f64;
    let exp = registered.exp.ok_or(TokenError::NoExpiry)?;
    if exp + LEEWAY_SECONDS <= seconds {
        return Err(TokenError::Expired);
    }
    if registered.nbf.is_some_and(|nbf| nbf - LEEWAY_SECONDS > seconds) {
        return Err(TokenError::NotYet);
    }
    if claims.identity.is_empty() {
        claims.identity = registered.jti;
    }
    // A float beyond the range becomes the nearest number.
    Ok(Verified { claims, api_key: registered.iss, expires_unix_seconds: exp as i64 })
}

/// Signs a token that is good for `ttl` from `now` on.
///
/// # Errors
/// [`TokenError::Signing`] if the claims cannot be written as JSON.
pub fn mint(api_key: &str, secret: &str, claims: &Claims, ttl: Duration, now: Time) -> Result<String, TokenError> {
    let nbf = now.unix_seconds();
    let exp = nbf.saturating_add_unsigned(ttl.as_secs());
    let minted = Minted { iss: api_key, nbf, exp, claims };
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &minted, &key).map_err(|_| TokenError::Signing)
}

/// Signature and algorithm only: times are checked against our own clock, and LiveKit's tokens
/// have no audience.
fn validation() -> Validation {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

fn decode<T: DeserializeOwned>(
    token: &str,
    key: &DecodingKey,
    validation: &Validation,
) -> Result<T, jsonwebtoken::errors::Error> {
    jsonwebtoken::decode(token, key, validation).map(|data| data.claims)
}

/// Reads `null` as the default, as Go does.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use hmac::{Hmac, Mac};
    use serde_json::{Value, json};
    use sha2::Sha256;

    const NOW: i64 = 1_700_000_000;

    fn at(unix_seconds: i64) -> Time {
        Time::new(0, unix_seconds * 1_000_000_000)
    }

    fn keys() -> Keys {
        Keys::new(BTreeMap::from([("devkey".to_owned(), "secret".to_owned())]))
    }

    fn signed(header: &Value, payload: &Value, secret: &str) -> String {
        let text =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(payload.to_string()));
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }

    fn hs256(payload: &Value) -> String {
        signed(&json!({"alg": "HS256", "typ": "JWT"}), payload, "secret")
    }

    #[test]
    fn a_token_made_elsewhere_is_read() {
        let token = hs256(&json!({
            "iss": "devkey", "sub": "alice", "exp": NOW + 10, "nbf": NOW, "name": "Alice", "kind": "agent",
            "attributes": {"a.b": "c"}, "metadata": null, "somethingNew": [1],
            "video": {"roomAdmin": true, "room": "lobby", "canPublish": false}, "sip": {"admin": true},
        }));
        let claims = verify(&token, &keys(), at(NOW)).unwrap();
        assert_eq!(claims.identity, "alice");
        assert!(claims.video.room_admin && claims.sip.admin && !claims.sip.call);
        assert_eq!(claims.video.room, "lobby");
        assert_eq!((claims.video.can_publish, claims.video.can_subscribe), (Some(false), None));
        assert_eq!(claims.attributes["a.b"], "c");
    }

    #[test]
    fn what_we_mint_we_read_back() {
        let claims = Claims {
            identity: "bob".into(),
            video: VideoGrant { room_join: true, can_publish: Some(true), ..VideoGrant::default() },
            room_config: Some(json!({"maxParticipants": 3})),
            ..Claims::default()
        };
        let token = mint("devkey", "secret", &claims, Duration::from_secs(60), at(NOW)).unwrap();
        assert_eq!(verify(&token, &keys(), at(NOW)), Ok(claims));
    }

    #[test]
    fn the_identity_falls_back_to_jti() {
        let token = hs256(&json!({"iss": "devkey", "jti": "carol", "exp": NOW}));
        assert_eq!(verify(&token, &keys(), at(NOW)).unwrap().identity, "carol");
    }

    #[test]
    fn times_have_sixty_seconds_of_leeway() {
        let token = hs256(&json!({"iss": "devkey", "exp": NOW, "nbf": NOW}));
        assert!(verify(&token, &keys(), at(NOW + 59)).is_ok());
        assert_eq!(verify(&token, &keys(), at(NOW + 60)), Err(TokenError::Expired));
        assert!(verify(&token, &keys(), at(NOW - 60)).is_ok());
        assert_eq!(verify(&token, &keys(), at(NOW - 61)), Err(TokenError::NotYet));
    }

    #[test]
    fn bad_tokens_are_refused_with_their_reason() {
        let good = json!({"iss": "devkey", "exp": NOW + 10});
        let none = format!(
            "{}.{}.",
            URL_SAFE_NO_PAD.encode(json!({"alg": "none"}).to_string()),
            URL_SAFE_NO_PAD.encode(good.to_string())
        );
        for (token, wanted) in [
            (String::new(), TokenError::Malformed),
            ("a.b.c".into(), TokenError::Malformed),
            (none, TokenError::Malformed),
            (signed(&json!({"alg": "HS512"}), &good, "secret"), TokenError::Malformed),
            (signed(&json!({"alg": "HS256"}), &good, "wrong"), TokenError::Signature),
            (hs256(&json!({"iss": "other", "exp": NOW + 10})), TokenError::UnknownKey),
            (hs256(&json!({"iss": "devkey"})), TokenError::NoExpiry),
            (hs256(&json!({"iss": "devkey", "exp": "soon"})), TokenError::Malformed),
        ] {
            assert_eq!(verify(&token, &keys(), at(NOW)), Err(wanted));
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        assert_eq!(format!("{:?}", keys()), r#"{"devkey"}"#);
    }
}
