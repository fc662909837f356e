//! `trunkline calls dial`: a call out, as LiveKit's `CreateSIPParticipant`.

use crate::client::Server;
use crate::say::say;
use anyhow::Context;
use clap::Args;
use serde_json::{Map, Value, json};

#[derive(Args)]
pub(crate) struct Dial {
    /// The outbound trunk, ST_…
    #[arg(long)]
    trunk: String,
    /// The number to call
    #[arg(long)]
    to: String,
    /// The room
    #[arg(long)]
    room: String,
    /// The number to call from; one of the trunk's if left out
    #[arg(long, default_value = "")]
    from: String,
    /// The participant's identity; sip_ and the number if left out
    #[arg(long, default_value = "")]
    identity: String,
    /// Digits to send once the call is answered; w waits half a second
    #[arg(long, default_value = "")]
    dtmf: String,
    /// A header of the INVITE, such as 'X-Reason: billing'
    #[arg(long = "header")]
    headers: Vec<String>,
    /// Seconds to ring
    #[arg(long)]
    ringing_timeout: Option<u32>,
    /// Let the room hear a ringing tone
    #[arg(long)]
    dialtone: bool,
    /// Come back when the call is answered, or say why not
    #[arg(long)]
    wait: bool,
}

impl Dial {
    pub(crate) fn run(&self, server: &Server, as_json: bool) -> anyhow::Result<()> {
        let mut body = json!({
            "sip_trunk_id": self.trunk, "sip_call_to": self.to, "room_name": self.room, "sip_number": self.from,
            "participant_identity": self.identity, "dtmf": self.dtmf, "headers": headers(&self.headers)?,
            "play_dialtone": self.dialtone, "wait_until_answered": self.wait,
        });
        if let Some(seconds) = self.ringing_timeout {
            body["ringing_timeout"] = json!(format!("{seconds}s"));
        }
        let answer = server.call_blocking("livekit.SIP/CreateSIPParticipant", body)?;
        match as_json {
            true => say!("{answer:#}"),
            false => say!("{}", answer["sip_call_id"].as_str().unwrap_or_default()),
        }
        Ok(())
    }
}

/// `Name: value` of each.
pub(crate) fn headers(given: &[String]) -> anyhow::Result<Map<String, Value>> {
    given
        .iter()
        .map(|header| {
            let (name, value) = header.split_once(':').with_context(|| format!("{header:?} is not 'Name: value'"))?;
            Ok((name.trim().to_owned(), Value::String(value.trim().to_owned())))
        })
        .collect()
}
