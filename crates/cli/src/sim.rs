//! `trunkline sim`: far ends over real sockets.

use clap::{Args, Subcommand};
use std::{net::SocketAddr, time::Duration};
use trunkline_sim::persona::Five9;

#[derive(Args)]
pub(crate) struct Sim {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A Five9 IVR: calls with the seven X-Call headers and waits for the BYE
    Five9 {
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
    },
}

impl Sim {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let Command::Five9 { server, from, to, hang_up_after } = self.command;
        let persona = Five9 { from, to, hang_up_after: hang_up_after.map(Duration::from_secs), ..Five9::new(server) };
        let result = trunkline_sim::persona::call(&persona)?;
        for step in &result.ladder {
            let arrow = if step.sent { "->" } else { "<-" };
            println!("{:>9.1} ms {arrow} {}", step.at.as_secs_f64() * 1000.0, step.start_line);
        }
        println!("heard {} RTP packets, peak {}", result.rtp_packets, result.peak);
        if let Some(bye) = &result.bye {
            println!("\n{bye}");
        }
        Ok(())
    }
}
