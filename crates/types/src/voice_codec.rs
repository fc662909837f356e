//! The codec in which voices travel between a room and its WebRTC participants.

use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VoiceCodec {
    /// Opus (RFC 7587).
    #[default]
    Opus,
    /// G.711 μ-law (RFC 3551 §4.5.14).
    Pcmu,
    /// G.711 A-law (RFC 3551 §4.5.14).
    Pcma,
}

impl VoiceCodec {
    /// Its MIME type as LiveKit writes it.
    pub const fn mime(self) -> &'static str {
        match self {
            Self::Opus => "audio/opus",
            Self::Pcmu => "audio/PCMU",
            Self::Pcma => "audio/PCMA",
        }
    }

    /// Its RTP clock, Hz.
    pub const fn clock(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::Pcmu | Self::Pcma => 8_000,
        }
    }

    /// Ticks of its clock in 20 ms.
    pub const fn frame_ticks(self) -> u32 {
        self.clock() / 50
    }
}
