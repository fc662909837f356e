//! `trunkline doctor`.

use crate::run::source;
use crate::say::say;
use anyhow::bail;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use trunkline_server::{
    config::load,
    doctor::{Finding, Verdict, examine},
};

#[derive(Args)]
pub(crate) struct Doctor {
    /// The configuration file
    #[arg(long, env = "TRUNKLINE_CONFIG")]
    config: Option<PathBuf>,
    /// The configuration itself
    #[arg(long, env = "TRUNKLINE_CONFIG_BODY")]
    config_body: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let findings = match load(&source(self.config, self.config_body), &|name| std::env::var(name).ok()) {
            Ok((config, warnings)) => examine(&config, &warnings),
            Err(why) => {
                vec![Finding::fail("configuration", why.to_string(), "put it right; the README lists the keys")]
            }
        };
        let failed = findings.iter().filter(|finding| finding.verdict == Verdict::Fail).count();
        if self.json {
            say!("{}", json!({ "ok": failed == 0, "checks": findings }));
        } else {
            findings.iter().for_each(tell);
        }
        if failed > 0 {
            bail!("a server would not work here: {failed} of {} checks failed", findings.len());
        }
        Ok(())
    }
}

fn tell(finding: &Finding) {
    let verdict = match finding.verdict {
        Verdict::Ok => "ok",
        Verdict::Warn => "warn",
        Verdict::Fail => "FAIL",
    };
    say!("{verdict:<4}  {}: {}", finding.name, finding.found);
    if let Some(cure) = &finding.cure {
        say!("      → {cure}");
    }
}
