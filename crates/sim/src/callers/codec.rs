//! The codecs of a phone.

use trunkline_audio::{
    g711, g722,
    opus::{self, Encoder, EncoderConfig},
};

/// What a caller speaks, in packets of 20 ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Codec {
    /// G.711 μ-law.
    #[default]
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722 at 64 kbit/s.
    G722,
    /// Opus, 16 kHz at 24 kbit/s.
    Opus,
}

/// The longest payload, in bytes.
pub(crate) const BYTES: usize = 400;

impl Codec {
    /// Its static payload type (RFC 3551 §6), or the usual one for Opus.
    pub(crate) fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::G722 => 9,
            Self::Opus => 111,
        }
    }

    /// What an offer says of it beyond its number.
    pub(crate) fn attributes(self) -> &'static str {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => "",
            Self::Opus => "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\n",
        }
    }

    /// Samples per second of the sound.
    pub fn rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8_000,
            Self::G722 | Self::Opus => 16_000,
        }
    }

    /// Ticks per second of the RTP clock.
    pub(crate) fn clock(self) -> u32 {
        if self == Self::Opus { 48_000 } else { 8_000 }
    }

    /// Encodes a whole script; what is left over after the last 20 ms is dropped.
    pub(crate) fn script(self, pcm: &[i16]) -> Vec<Box<[u8]>> {
        let mut wide = g722::Encoder::new();
        let mut opus = Encoder::new(EncoderConfig { rate: self.rate(), ..EncoderConfig::default() }).ok();
        let mut bytes = [0; BYTES];
        let frames = pcm.chunks_exact(self.rate() as usize / 50);
        let encoded = frames.map(|frame| {
            let length = match self {
                Self::Pcmu => companded(frame, &mut bytes, g711::encode_ulaw),
                Self::Pcma => companded(frame, &mut bytes, g711::encode_alaw),
                Self::G722 => wide.encode(frame, &mut bytes),
                Self::Opus => opus.as_mut().map_or(0, |encoder| encoder.encode(frame, &mut bytes).unwrap_or(0)),
            };
            bytes[..length].into()
        });
        encoded.collect()
    }

    /// What decodes a stream of it.
    pub(crate) fn decoder(self) -> Decoder {
        match self {
            Self::G722 => Decoder::Wide(Box::default()),
            Self::Opus => opus::Decoder::new(self.rate()).map_or(Decoder::Deaf, Decoder::Opus),
            narrow => Decoder::Narrow(narrow == Self::Pcma),
        }
    }
}

fn companded(frame: &[i16], bytes: &mut [u8], encode: fn(i16) -> u8) -> usize {
    frame.iter().zip(bytes).for_each(|(sample, byte)| *byte = encode(*sample));
    frame.len()
}

/// See [`Codec::decoder`].
pub(crate) enum Decoder {
    /// Whether it is A-law.
    Narrow(bool),
    Wide(Box<g722::Decoder>),
    Opus(opus::Decoder),
    /// There was no memory for one.
    Deaf,
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
            Self::Opus(decoder) => {
                // 120 ms at 16 kHz, the most a packet holds (RFC 6716 §3.2.5).
                pcm.resize(1_920, 0);
                let samples = decoder.decode(payload, pcm).unwrap_or(0);
                pcm.truncate(samples);
            }
            Self::Deaf => {}
        }
    }
}
