//! `trunkline init` and `trunkline check`.

use crate::run::{loaded, source};
use crate::say::say;
use anyhow::{Context, bail};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::Args;
use std::{io::Read, path::PathBuf};

#[derive(Args)]
pub(crate) struct Init {
    /// The file to write
    #[arg(default_value = "trunkline.yaml")]
    file: PathBuf,
}

impl Init {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        if self.file.exists() {
            bail!("{} exists; name another file or move it away", self.file.display());
        }
        let mut random = [0; 33];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
        let secret = URL_SAFE_NO_PAD.encode(random);
        let key = format!("API{}", &secret[..12]);
        let text = format!(
            "# Trunkline. Every key has a default; an empty file is safe.\nport: 7880\nkeys:\n  {key}: {secret}\n\
             data_dir: ./trunkline-data\nsip_port: 5060\nrtp_port: 10000-20000\nrtc: {{ udp_port: 7882, tcp_port: 7881 }}\n# Behind NAT: nat_1_to_1_ip: 203.0.113.7\n"
        );
        std::fs::write(&self.file, text).with_context(|| self.file.display().to_string())?;
        say!("wrote {}; start with: trunkline run --config {}", self.file.display(), self.file.display());
        Ok(())
    }
}

#[derive(Args)]
pub(crate) struct Check {
    /// The configuration file
    #[arg(long, env = "TRUNKLINE_CONFIG")]
    config: Option<PathBuf>,
    /// The configuration itself
    #[arg(long, env = "TRUNKLINE_CONFIG_BODY")]
    config_body: Option<String>,
}

impl Check {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        loaded(&source(self.config, self.config_body), false)?;
        say!("the configuration is fine");
        Ok(())
    }
}
