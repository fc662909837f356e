//! `trunkline sim five9`.

use crate::say::say;
use clap::Args;
use std::{net::SocketAddr, time::Duration};
use trunkline_sim::persona;

#[derive(Args)]
pub(crate) struct Five9 {
    /// The server's SIP address
    #[arg(long, default_value = "127.0.0.1:5060")]
    server: SocketAddr,
    /// The caller
    #[arg(long, default_value = "+15550100001")]
    from: String,
    /// The number called
    #[arg(long, default_value = "+15551234567")]
    to: String,
    /// Hang up after this many seconds instead of waiting
    #[arg(long)]
    hang_up_after: Option<u64>,
}

impl Five9 {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let Self { server, from, to, hang_up_after } = self;
        let hang_up_after = hang_up_after.map(Duration::from_secs);
        let persona = persona::Five9 { from, to, hang_up_after, ..persona::Five9::new(server) };
        let result = persona::call(&persona)?;
        for step in &result.ladder {
            let arrow = if step.sent { "->" } else { "<-" };
            say!("{:>9.1} ms {arrow} {}", step.at.as_secs_f64() * 1000.0, step.start_line);
        }
        say!("heard {} RTP packets, peak {}", result.rtp_packets, result.peak);
        if let Some(bye) = &result.bye {
            say!("\n{bye}");
        }
        Ok(())
    }
}
