//! `trunkline token`.

use crate::{client::Server, say::say, sign::sign};
use clap::Args;
use serde_json::json;

#[derive(Args)]
pub(crate) struct Token {
    #[command(flatten)]
    server: Server,
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
