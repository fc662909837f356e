//! What a headless participant says: Opus packets of 20 ms, encoded once and shared by all.

use std::sync::Arc;
use trunkline_audio::{
    opus::{Encoder, EncoderConfig},
    tone::Sine,
};

/// Samples of 20 ms at 48 kHz.
const FRAME: usize = 960;
/// Bits per second, as browsers and agents send.
const BITRATE: u32 = 32_000;

/// Packets that are said over and over.
#[derive(Clone, Debug)]
pub struct Speech {
    packets: Arc<[Arc<[u8]>]>,
}

impl Speech {
    /// Encodes PCM at 48 kHz, mono.
    ///
    /// # Errors
    /// A text if libopus refuses.
    pub fn from_pcm(pcm: &[i16]) -> Result<Self, String> {
        let config = EncoderConfig { rate: 48_000, bitrate: BITRATE, complexity: 5, ..EncoderConfig::default() };
        let mut encoder = Encoder::new(config).map_err(|why| why.to_string())?;
        let mut packets: Vec<Arc<[u8]>> = Vec::new();
        let mut bytes = [0; 1_275];
        for frame in pcm.chunks_exact(FRAME) {
            let length = encoder.encode(frame, &mut bytes).map_err(|why| why.to_string())?;
            packets.push(Arc::from(bytes.get(..length).unwrap_or_default()));
        }
        if packets.is_empty() { Err("less than 20 ms of sound".into()) } else { Ok(Self { packets: packets.into() }) }
    }

    /// A sine, ten seconds of it.
    ///
    /// # Errors
    /// A text if libopus refuses.
    pub fn tone(hertz: f64) -> Result<Self, String> {
        let mut pcm = vec![0; 48_000 * 10];
        Sine::new(hertz, 8_000, 48_000).fill(&mut pcm);
        Self::from_pcm(&pcm)
    }

    /// The packet of the n-th 20 ms.
    pub(crate) fn packet(&self, n: u64) -> Arc<[u8]> {
        let at = usize::try_from(n % self.packets.len() as u64).unwrap_or(0);
        self.packets.get(at).cloned().unwrap_or_default()
    }
}
