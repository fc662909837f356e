//! What a persona is told before it begins.

use super::script::Settings;
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// How it speaks SIP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Transport {
    #[default]
    Udp,
    Tcp,
    Tls,
}

impl Transport {
    /// Its name in a URI and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which persona; see [`names`](super::names).
    pub name: String,
    /// Where it listens.
    pub listen: SocketAddr,
    /// How.
    pub transport: Transport,
    /// Whom it calls, and which number; it waits for calls otherwise.
    pub call: Option<(SocketAddr, String)>,
    /// After so many calls it is done; 0 for never.
    pub calls: u32,
    /// After so long it is done in any case.
    pub limit: Option<Duration>,
    /// Headers of its INVITE and of its answers to one.
    pub headers: Vec<(String, String)>,
    /// What is set of its behaviour.
    pub settings: Settings,
    /// Where what it hears is written.
    pub record: Option<PathBuf>,
}

impl Plan {
    /// A persona that waits for one call on a free port, by UDP.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            transport: Transport::default(),
            call: None,
            calls: 1,
            limit: None,
            headers: Vec::new(),
            settings: Settings::default(),
            record: None,
        }
    }

    pub(crate) fn header_lines(&self) -> String {
        self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
    }
}
