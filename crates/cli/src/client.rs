//! Talking to a server's Twirp API in JSON.

use crate::sign::sign;
use anyhow::{anyhow, bail};
use clap::Args;
use serde_json::{Value, json};

/// Where the server is, and with which key.
#[derive(Args, Clone)]
pub(crate) struct Server {
    /// The server's URL
    #[arg(long, env = "LIVEKIT_URL", default_value = "http://127.0.0.1:7880")]
    pub(crate) url: String,
    /// The API key
    #[arg(long, env = "LIVEKIT_API_KEY", default_value = "devkey")]
    pub(crate) api_key: String,
    /// Its secret
    #[arg(long, env = "LIVEKIT_API_SECRET", default_value = "secret", hide_env_values = true)]
    pub(crate) api_secret: String,
}

impl Server {
    /// Calls a method such as `livekit.SIP/ListSIPInboundTrunk`; a room's name is needed for what
    /// concerns one room.
    pub(crate) async fn call(&self, method: &str, room: &str, body: Value) -> anyhow::Result<Value> {
        let base = self.url.replacen("ws://", "http://", 1).replacen("wss://", "https://", 1);
        let grants = json!({
            "video": { "roomCreate": true, "roomList": true, "roomAdmin": true, "room": room },
            "sip": { "admin": true, "call": true },
        });
        let token = sign(&self.api_key, &self.api_secret, "trunkline-cli", grants, 60)?;
        let response = reqwest::Client::new()
            .post(format!("{}/twirp/{method}", base.trim_end_matches('/')))
            .bearer_auth(token)
            .header("Content-Type", "application/json")
            .body(body.to_string())
            .send()
            .await
            .map_err(|error| anyhow!("no server at {}: {error}; start one with `trunkline run --dev`", self.url))?;
        let (status, text) = (response.status(), response.text().await?);
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if !status.is_success() {
            let code = value["code"].as_str().unwrap_or("unknown");
            bail!("{} ({code})", value["msg"].as_str().unwrap_or("the server refused"));
        }
        Ok(value)
    }

    /// The same from outside tokio.
    pub(crate) fn call_blocking(&self, method: &str, body: Value) -> anyhow::Result<Value> {
        self.call_in_room(method, "", body)
    }

    /// The same for what concerns one room.
    pub(crate) fn call_in_room(&self, method: &str, room: &str, body: Value) -> anyhow::Result<Value> {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(self.call(method, room, body))
    }
}
