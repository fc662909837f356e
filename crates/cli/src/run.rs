//! `trunkline run`.

use clap::Args;
use std::path::PathBuf;
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

/// Loads a configuration and prints its warnings.
pub(crate) fn loaded(source: &Source) -> anyhow::Result<Config> {
    let (config, warnings) = load(source, &|name| std::env::var(name).ok())?;
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    Ok(config)
}

impl Run {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let source = match (self.dev, self.config, self.config_body) {
            (true, None, None) => {
                let body = "bind_addresses: [127.0.0.1]\nlisten_ip: 127.0.0.1\nkeys: { devkey: secret }\n";
                Source::Body(body.into())
            }
            (_, file, body) => source(file, body),
        };
        let mut config = loaded(&source)?;
        if self.dev && config.keys.0.is_empty() {
            config.keys.0.insert("devkey".into(), "secret".into());
        }
        trunkline_server::run(config, |addresses| {
            if self.print_addresses {
                match serde_json::to_string(addresses) {
                    Ok(line) => println!("{line}"),
                    Err(error) => eprintln!("error: {error}"),
                }
            } else {
                eprintln!("trunkline is ready: http://{}", addresses.http);
            }
        })?;
        Ok(())
    }
}
