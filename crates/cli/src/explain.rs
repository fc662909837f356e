//! `trunkline explain`.

use crate::client::Server;
use crate::say::say;
use clap::Args;
use serde_json::{Value, json};

#[derive(Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    server: Server,
    /// The caller's number
    #[arg(long, default_value = "")]
    from: String,
    /// The number called
    #[arg(long)]
    to: String,
    /// The source address
    #[arg(long, default_value = "127.0.0.1")]
    source: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let body = json!({ "from": self.from, "to": self.to, "source": self.source });
        let answer = self.server.call_blocking("trunkline.Calls/Explain", body)?;
        if self.json {
            say!("{answer:#}");
        } else {
            print(&answer["explanation"]);
        }
        Ok(())
    }
}

/// The tree, the verdict last.
pub(crate) fn print(explanation: &Value) {
    for (title, key) in [("trunks", "trunks"), ("rules", "rules")] {
        say!("{title}");
        for entry in explanation[key].as_array().into_iter().flatten() {
            let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
            let mark = if entry["matched"] == true { "✓" } else { "✗" };
            say!("  {mark} {} ({}) {}: {}", text("id"), text("name"), text("field"), text("why"));
        }
    }
    say!("{}", explanation["verdict"].as_str().unwrap_or_default());
}
