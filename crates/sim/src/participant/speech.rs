//! What a headless participant says: packets of 20 ms, encoded once and shared by all.

use crate::sound::Clip;
use std::sync::Arc;
use trunkline_audio::{
    g711,
    opus::{Encoder, EncoderConfig},
};
use trunkline_types::VoiceCodec;

/// libopus' complexity, as clients use it.
const COMPLEXITY: u8 = 5;
/// A packet of at most so many bytes says that nothing is sent from now on. Of those in a row clients
/// send the first (libwebrtc's `WebRtcOpus_Encode`).
const SILENCE: usize = 2;

/// How it is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voice {
    /// In what; the others are for Opus alone.
    pub codec: VoiceCodec,
    /// Silence is not sent.
    pub dtx: bool,
    /// Packets repeat the one before, for this loss in percent; 0: they do not.
    pub fec_for_loss: u8,
}

impl Default for Voice {
    fn default() -> Self {
        Self { codec: VoiceCodec::Opus, dtx: true, fec_for_loss: 0 }
    }
}

/// Packets of 20 ms; none where silence is not sent.
type Packets = Arc<[Option<Arc<[u8]>>]>;

/// Packets that are said over and over.
#[derive(Clone, Debug)]
pub struct Speech {
    full: Packets,
    wide: Packets,
}

impl Speech {
    /// Encodes a clip: at 32 kb/s, as browsers and agents send: at 48 kHz, and at 16 kHz for a server
    /// that asks for no more.
    ///
    /// # Errors
    /// A text if libopus refuses, or there is nothing to encode.
    pub fn new(clip: &Clip, voice: Voice) -> Result<Self, String> {
        let law = match voice.codec {
            VoiceCodec::Opus => None,
            VoiceCodec::Pcmu => Some(g711::encode_ulaw as fn(i16) -> u8),
            VoiceCodec::Pcma => Some(g711::encode_alaw as fn(i16) -> u8),
        };
        if let Some(law) = law {
            let frames = clip.at(8_000).pcm;
            let packets = frames.chunks_exact(160).map(|frame| Some(frame.iter().map(|s| law(*s)).collect()));
            let packets: Packets = packets.collect();
            if packets.is_empty() {
                return Err("less than 20 ms of sound".into());
            }
            return Ok(Self { full: packets.clone(), wide: packets });
        }
        Ok(Self { full: encode(clip, voice, 48_000, 32_000)?, wide: encode(clip, voice, 16_000, 32_000)? })
    }

    /// The packet of the n-th 20 ms; none where silence is not sent.
    pub(crate) fn packet(&self, n: u64, wideband: bool) -> Option<Arc<[u8]>> {
        let packets = if wideband { &self.wide } else { &self.full };
        let at = usize::try_from(n % packets.len().max(1) as u64).unwrap_or(0);
        packets.get(at).cloned().flatten()
    }
}

fn encode(clip: &Clip, voice: Voice, rate: u32, bitrate: u32) -> Result<Packets, String> {
    let config = EncoderConfig {
        rate,
        bitrate,
        complexity: COMPLEXITY,
        fec: voice.fec_for_loss > 0,
        loss_percent: voice.fec_for_loss,
        dtx: voice.dtx,
    };
    let mut encoder = Encoder::new(config).map_err(|why| why.to_string())?;
    let mut packets = Vec::new();
    let (mut bytes, mut is_pause) = ([0; 1_275], false);
    for frame in clip.at(rate).pcm.chunks_exact(rate as usize / 50) {
        let length = encoder.encode(frame, &mut bytes).map_err(|why| why.to_string())?;
        let was_pause = std::mem::replace(&mut is_pause, length <= SILENCE);
        packets.push((!is_pause || !was_pause).then(|| Arc::from(&bytes[..length])));
    }
    if packets.is_empty() { Err("less than 20 ms of sound".into()) } else { Ok(packets.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_not_sent_and_words_are() {
        let clip = Clip { rate: 48_000, pcm: [Clip::tone(10).pcm[..48_000].to_vec(), vec![0; 96_000]].concat() };
        let speech = Speech::new(&clip, Voice::default()).unwrap();
        for wideband in [false, true] {
            let sent =
                |packets: std::ops::Range<u64>| packets.filter(|n| speech.packet(*n, wideband).is_some()).count();
            assert_eq!(sent(0..50), 50);
            assert!(sent(100..150) < 10);
            let pauses: Vec<_> = (50..150).map(|n| speech.packet(n, wideband).map(|bytes| bytes.len())).collect();
            let begins = |pair: &[Option<usize>]| pair[0].is_some_and(|length| length <= SILENCE);
            assert!(pauses.windows(2).any(begins));
            assert!(pauses.windows(2).filter(|pair| begins(pair)).all(|pair| pair[1].is_none()));
        }
    }
}
