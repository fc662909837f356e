//! Access tokens as LiveKit's SDKs make them (JWT, HS256).

use anyhow::anyhow;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};

/// Signs a token with these grants, good for `ttl` seconds.
#[expect(clippy::disallowed_methods, reason = "a token says until when it is good")]
pub(crate) fn sign(key: &str, secret: &str, identity: &str, grants: Value, ttl: u64) -> anyhow::Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let mut claims = json!({ "iss": key, "sub": identity, "nbf": now.saturating_sub(5), "exp": now + ttl });
    if let (Some(claims), Some(grants)) = (claims.as_object_mut(), grants.as_object()) {
        claims.extend(grants.clone());
    }
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&json!({ "alg": "HS256", "typ": "JWT" })), encode(&claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|error| anyhow!("{error}"))?;
    mac.update(signed.as_bytes());
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())))
}
