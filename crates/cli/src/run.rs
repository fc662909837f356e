//! `trunkline run`.

use clap::Args;
use std::{
    io::{Write as _, stdout},
    net::Ipv4Addr,
    path::PathBuf,
};
use trunkline_server::config::{Config, Source, load};

#[derive(Args)]
pub(crate) struct Run {
    /// Listen on loopback with the key devkey and the secret `secret`
    #[arg(long)]
    dev: bool,
    /// The configuration file
    #[arg(long, env = "TRUNKLINE_CONFIG")]
    config: Option<PathBuf>,
    /// The configuration itself
    #[arg(long, env = "TRUNKLINE_CONFIG_BODY")]
    config_body: Option<String>,
    /// Once ready, print the addresses as one JSON line
    #[arg(long)]
    print_addresses: bool,
}

/// Where the configuration comes from; its text wins over a file.
pub(crate) fn source(file: Option<PathBuf>, body: Option<String>) -> Source {
    body.map(Source::Body).or(file.map(Source::File)).unwrap_or(Source::Empty)
}

/// Loads a configuration and prints its warnings. With `dev` the keys are LiveKit's of that name,
/// unless the configuration has some.
pub(crate) fn loaded(source: &Source, dev: bool) -> anyhow::Result<Config> {
    let known = |name: &str| match name {
        "LIVEKIT_API_KEY" if dev => Some("devkey".to_owned()),
        "LIVEKIT_API_SECRET" if dev => Some("secret".to_owned()),
        _ => std::env::var(name).ok(),
    };
    let (config, warnings) = load(source, &known)?;
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    Ok(config)
}

impl Run {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let mut config = loaded(&source(self.config, self.config_body), self.dev)?;
        if self.dev {
            // A key that everybody knows is good for loopback alone.
            config.bind_addresses = vec![Ipv4Addr::LOCALHOST.into()];
            config.listen_ip = Ipv4Addr::LOCALHOST.into();
        }
        trunkline_server::run(config, |addresses| {
            if self.print_addresses {
                match serde_json::to_string(addresses) {
                    // A server goes on when nobody reads where it listens.
                    Ok(line) => drop(writeln!(stdout().lock(), "{line}")),
                    Err(error) => eprintln!("error: {error}"),
                }
            } else {
                eprintln!("trunkline is ready: http://{}", addresses.http);
            }
        })?;
        Ok(())
    }
}
