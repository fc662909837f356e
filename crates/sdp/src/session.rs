//! A description as values.

use crate::CryptoLine;
use std::net::IpAddr;

/// Which way media flows, seen from whoever says it (RFC 8866 §6.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the attribute")]
pub enum Direction {
    #[default]
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    /// Whether the speaker sends.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the speaker receives.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same seen from the other side (RFC 3264 §6.1).
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::SendOnly => Self::RecvOnly,
            Self::RecvOnly => Self::SendOnly,
            same => same,
        }
    }

    /// From what each side does.
    pub const fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// The attribute's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive].into_iter().find(|d| d.as_str() == name)
    }
}

/// One format of an m-line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Format {
    /// The token on the m-line: a payload type for RTP.
    pub token: String,
    /// Encoding name of `a=rtpmap`, empty without one.
    pub name: String,
    /// Clock rate of `a=rtpmap`, Hz; 0 without one.
    pub rate: u32,
    /// Channels of `a=rtpmap`; 0 when it names none.
    pub channels: u8,
    /// Value of `a=fmtp`, empty without one.
    pub fmtp: String,
}

impl Format {
    /// The payload type, 0–127.
    pub fn payload_type(&self) -> Option<u8> {
        self.token.parse().ok().filter(|pt| *pt < 128 && !self.token.starts_with('+'))
    }
}

/// Where media goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An address.
    Ip(IpAddr),
    /// A name, to be resolved by somebody else.
    Name(String),
}

/// One m-line and its attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// `audio`, `video`, …
    pub kind: String,
    /// 0 for refused.
    pub port: u16,
    /// `RTP/AVP`, …
    pub profile: String,
    /// In order of preference.
    pub formats: Vec<Format>,
    /// Its own `c=`.
    pub host: Option<Host>,
    /// Its own direction.
    pub direction: Option<Direction>,
    /// `a=ptime`, ms.
    pub ptime: Option<u16>,
    /// `a=maxptime`, ms.
    pub maxptime: Option<u16>,
    /// `a=rtcp`.
    pub rtcp_port: Option<u16>,
    /// `a=rtcp-mux`.
    pub rtcp_mux: bool,
    /// The usable lines of `a=crypto`, in their order.
    pub crypto: Vec<CryptoLine>,
}

/// A session description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// `o=` session id.
    pub session_id: u64,
    /// `o=` version.
    pub version: u64,
    /// `o=` address.
    pub origin: Option<IpAddr>,
    /// Session-level `c=`.
    pub host: Option<Host>,
    /// Session-level direction.
    pub direction: Option<Direction>,
    /// The m-lines.
    pub media: Vec<Media>,
}
