//! The audio codecs we speak (RFC 3551, RFC 7587).

/// An audio codec of the SIP leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AudioCodec {
    /// G.711 μ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722; its samples come at 16 kHz, its RTP clock is 8 kHz (RFC 3551 §4.5.2).
    G722,
    /// Opus, `opus/48000/2` (RFC 7587 §7).
    Opus,
}

impl AudioCodec {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Pcmu, Self::Pcma, Self::G722, Self::Opus];

    /// The static payload type (RFC 3551 table 4), or the dynamic one that offers of ours use.
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::G722 => 9,
            Self::Opus => 102,
        }
    }

    /// The encoding name of `a=rtpmap`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
            Self::Opus => "opus",
        }
    }

    /// The RTP clock, Hz.
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => 8_000,
            Self::Opus => 48_000,
        }
    }

    /// The channels of `a=rtpmap`; 0 when it names none. Opus always says 2, whatever is sent.
    pub const fn channels(self) -> u8 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => 0,
            Self::Opus => 2,
        }
    }

    /// What our descriptions say in `a=fmtp`; empty for nothing.
    pub const fn fmtp(self) -> &'static str {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => "",
            Self::Opus => "maxplaybackrate=48000;useinbandfec=1",
        }
    }

    /// The packet length to use for what was agreed, both in ms: Opus has no frames of 30 or 50 ms.
    pub const fn packet_ms(self, wanted: u16) -> u16 {
        let whole = match wanted {
            0..=19 => 10,
            60.. => 60,
            ms => ms / 10 * 10,
        };
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => whole,
            Self::Opus => match whole {
                30 => 20,
                50 => 40,
                ms => ms,
            },
        }
    }

    /// The codec of that static payload type.
    pub const fn from_static(payload_type: u8) -> Option<Self> {
        match payload_type {
            0 => Some(Self::Pcmu),
            8 => Some(Self::Pcma),
            9 => Some(Self::G722),
            _ => None,
        }
    }

    /// The codec of that encoding name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|c| c.name().eq_ignore_ascii_case(name))
    }
}
