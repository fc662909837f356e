//! The codec of a SIP leg, both ways, with the state it keeps.

use trunkline_audio::{
    g711, g722,
    opus::{Decoder, Encoder, EncoderConfig},
};
use trunkline_call::media::Codec;
use trunkline_types::VoiceCodec;

/// Samples in the longest packet: 60 ms at 16 kHz.
pub(crate) const PACKET_SAMPLES: usize = 960;

/// See the module.
pub(crate) enum LegCodec {
    Ulaw,
    Alaw,
    G722(Box<(g722::Encoder, g722::Decoder)>),
    Opus(Box<(Encoder, Decoder)>),
}

/// Bits per second of Opus towards the far end.
const OPUS_BITRATE: u32 = 32_000;

impl LegCodec {
    pub(crate) fn new(codec: Codec) -> Self {
        match codec {
            Codec::Pcma => Self::Alaw,
            Codec::G722 => Self::G722(Box::new((g722::Encoder::new(), g722::Decoder::new()))),
            Codec::Pcmu => Self::Ulaw,
            Codec::Opus => {
                let config = EncoderConfig { rate: 16_000, bitrate: OPUS_BITRATE, ..EncoderConfig::default() };
                match (Encoder::new(config), Decoder::new(16_000)) {
                    (Ok(encoder), Ok(decoder)) => Self::Opus(Box::new((encoder, decoder))),
                    // Only without memory; then the leg stays mute.
                    _ => Self::Ulaw,
                }
            }
        }
    }

    /// Samples per second of the PCM it takes and gives.
    pub(crate) const fn rate(&self) -> u32 {
        match self {
            Self::Ulaw | Self::Alaw => 8_000,
            Self::G722(_) | Self::Opus(_) => 16_000,
        }
    }

    /// Whether its packets can go as they are to and from those who speak this one.
    pub(crate) const fn is(&self, codec: VoiceCodec) -> bool {
        match self {
            Self::Ulaw => matches!(codec, VoiceCodec::Pcmu),
            Self::Alaw => matches!(codec, VoiceCodec::Pcma),
            Self::G722(_) => false,
            Self::Opus(_) => matches!(codec, VoiceCodec::Opus),
        }
    }

    /// Whether it is Opus.
    pub(crate) const fn is_opus(&self) -> bool {
        matches!(self, Self::Opus(_))
    }

    /// Its RTP clock, Hz.
    pub(crate) const fn clock(&self) -> u32 {
        match self {
            Self::Ulaw | Self::Alaw | Self::G722(_) => 8_000,
            Self::Opus(_) => 48_000,
        }
    }

    /// Ticks of its RTP clock in so many samples (RFC 3551 §4.5.2: G.722 counts half of them).
    pub(crate) const fn ticks(&self, samples: usize) -> u32 {
        match self {
            Self::Ulaw | Self::Alaw => samples as u32,
            Self::G722(_) => samples as u32 / 2,
            Self::Opus(_) => samples as u32 * 3,
        }
    }

    /// Samples in so many ticks of its RTP clock.
    pub(crate) const fn samples(&self, ticks: u32) -> u32 {
        match self {
            Self::Ulaw | Self::Alaw => ticks,
            Self::G722(_) => ticks * 2,
            Self::Opus(_) => ticks / 3,
        }
    }

    /// Samples in so many milliseconds.
    pub(crate) const fn samples_in(&self, ms: usize) -> usize {
        self.rate() as usize / 1_000 * ms
    }

    /// Decodes a payload, at most 60 ms of it; returns the samples.
    pub(crate) fn decode(&mut self, payload: &[u8], pcm: &mut [i16; PACKET_SAMPLES]) -> usize {
        let payload = &payload[..payload.len().min(PACKET_SAMPLES / 2)];
        match self {
            Self::Ulaw => copy(payload, pcm, g711::decode_ulaw),
            Self::Alaw => copy(payload, pcm, g711::decode_alaw),
            Self::G722(state) => state.1.decode(payload, pcm),
            Self::Opus(state) => state.1.decode(payload, pcm).unwrap_or(0),
        }
    }

    /// Encodes PCM; returns the bytes.
    pub(crate) fn encode(&mut self, pcm: &[i16], payload: &mut [u8]) -> usize {
        match self {
            Self::Ulaw => pack(pcm, payload, g711::encode_ulaw),
            Self::Alaw => pack(pcm, payload, g711::encode_alaw),
            Self::G722(state) => state.0.encode(pcm, payload),
            Self::Opus(state) => state.0.encode(pcm, payload).unwrap_or(0),
        }
    }
}

fn copy(payload: &[u8], pcm: &mut [i16], decode: impl Fn(u8) -> i16) -> usize {
    for (slot, byte) in pcm.iter_mut().zip(payload) {
        *slot = decode(*byte);
    }
    payload.len()
}

fn pack(pcm: &[i16], payload: &mut [u8], encode: impl Fn(i16) -> u8) -> usize {
    for (slot, sample) in payload.iter_mut().zip(pcm) {
        *slot = encode(*sample);
    }
    pcm.len().min(payload.len())
}
