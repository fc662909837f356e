//! The codecs of a phone.

use trunkline_audio::{g711, g722};

/// What a caller speaks; packets of 20 ms have 160 bytes with each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Codec {
    /// G.711 μ-law.
    #[default]
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722 at 64 kbit/s.
    G722,
}

/// Bytes in 20 ms.
pub(crate) const BYTES: usize = 160;

impl Codec {
    /// Its static payload type (RFC 3551 §6).
    pub(crate) fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::G722 => 9,
        }
    }

    /// Samples per second of the sound, not of the RTP clock, which is 8 kHz for all.
    pub fn rate(self) -> u32 {
        if self == Self::G722 { 16_000 } else { 8_000 }
    }

    /// Encodes a whole script; what is left over after the last 20 ms is dropped.
    pub(crate) fn script(self, pcm: &[i16]) -> Vec<[u8; BYTES]> {
        let mut wide = g722::Encoder::new();
        let frames = pcm.chunks_exact(self.rate() as usize / 50);
        let encoded = frames.map(|frame| {
            let mut bytes = [0; BYTES];
            match self {
                Self::Pcmu => frame.iter().zip(&mut bytes).for_each(|(s, b)| *b = g711::encode_ulaw(*s)),
                Self::Pcma => frame.iter().zip(&mut bytes).for_each(|(s, b)| *b = g711::encode_alaw(*s)),
                Self::G722 => drop(wide.encode(frame, &mut bytes)),
            }
            bytes
        });
        encoded.collect()
    }

    /// What decodes a stream of it.
    pub(crate) fn decoder(self) -> Decoder {
        match self {
            Self::G722 => Decoder::Wide(Box::default()),
            narrow => Decoder::Narrow(narrow == Self::Pcma),
        }
    }
}

/// See [`Codec::decoder`].
pub(crate) enum Decoder {
    /// Whether it is A-law.
    Narrow(bool),
    Wide(Box<g722::Decoder>),
}

impl Decoder {
    /// The sound of one packet.
    pub(crate) fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) {
        pcm.clear();
        match self {
            Self::Narrow(false) => pcm.extend(payload.iter().map(|b| g711::decode_ulaw(*b))),
            Self::Narrow(true) => pcm.extend(payload.iter().map(|b| g711::decode_alaw(*b))),
            Self::Wide(decoder) => {
                pcm.resize(payload.len() * 2, 0);
                decoder.decode(payload, pcm);
            }
        }
    }
}
