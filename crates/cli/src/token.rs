//! `trunkline token`: access tokens as LiveKit's SDKs make them (JWT, HS256).

use crate::say::say;
use anyhow::anyhow;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::Args;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Args)]
pub(crate) struct Token {
    #[command(flatten)]
    server: crate::client::Server,
    /// Who holds it
    #[arg(long, default_value = "user")]
    identity: String,
    /// The room
    #[arg(long, default_value = "")]
    room: String,
    /// May join the room
    #[arg(long)]
    join: bool,
    /// May do everything
    #[arg(long)]
    admin: bool,
    /// Seconds it is good for
    #[arg(long, default_value_t = 3600)]
    ttl: u64,
}

impl Token {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let admin = self.admin;
        let grants = json!({
            "video": { "roomJoin": self.join, "room": self.room, "roomCreate": admin, "roomList": admin, "roomAdmin": admin },
            "sip": { "admin": admin, "call": admin },
        });
        say!("{}", sign(&self.server.api_key, &self.server.api_secret, &self.identity, grants, self.ttl)?);
        Ok(())
    }
}

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
