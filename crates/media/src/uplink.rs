//! A voice of our own on its way to WebRTC subscribers: PCM in, frames of 20 ms out.

use crate::{
    frame::{Frame, Frames},
    voice::{Quality, VoiceEncoder},
};
use trunkline_types::VoiceCodec;

/// The largest frame we make.
const FRAME_BYTES: usize = 400;
/// Samples of 20 ms at 16 kHz, the most there are.
const SAMPLES: usize = 320;

/// See the module.
pub(crate) struct Uplink {
    encoder: VoiceEncoder,
    samples: usize,
    /// Ticks of the codec's clock in a frame.
    ticks: u32,
    pending: [i16; SAMPLES],
    filled: usize,
    sequence: u64,
    timestamp: u32,
    /// The next frame begins a talkspurt.
    marker: bool,
}

impl Uplink {
    /// An encoder for PCM at `rate` Hz, 8,000 or 16,000.
    pub(crate) fn new(codec: VoiceCodec, rate: u32, quality: Quality) -> Option<Self> {
        Some(Self {
            encoder: VoiceEncoder::new(codec, rate, quality)?,
            samples: usize::try_from(rate / 50).ok()?.min(SAMPLES),
            ticks: codec.frame_ticks(),
            pending: [0; SAMPLES],
            filled: 0,
            sequence: 0,
            timestamp: 0,
            marker: true,
        })
    }

    /// Something is missing: `samples` that nobody will deliver.
    pub(crate) fn skip(&mut self, samples: u32) {
        self.filled = 0;
        self.timestamp = self.timestamp.wrapping_add(samples.wrapping_mul(self.ticks) / self.samples as u32);
        self.marker = true;
    }

    /// Samples per second of the PCM it takes.
    pub(crate) const fn rate(&self) -> u32 {
        self.samples as u32 * 50
    }

    /// Whether there is no time for more than the least complexity.
    pub(crate) fn spare(&mut self, is_sparing: bool) {
        self.encoder.spare(is_sparing);
    }

    /// Takes PCM; each frame that is full goes to the others.
    pub(crate) fn push(&mut self, mut pcm: &[i16], frames: &mut Frames) {
        while !pcm.is_empty() {
            let take = (self.samples - self.filled).min(pcm.len());
            let (now, later) = pcm.split_at(take);
            self.pending[self.filled..self.filled + take].copy_from_slice(now);
            self.filled += take;
            pcm = later;
            if self.filled == self.samples {
                self.filled = 0;
                let mut bytes = [0; FRAME_BYTES];
                let encoded = self.encoder.encode(&self.pending[..self.samples], &mut bytes);
                if let Some(payload) = encoded.and_then(|length| bytes.get(..length)) {
                    frames.push(Frame {
                        sequence: self.sequence,
                        timestamp: self.timestamp,
                        marker: self.marker,
                        payload,
                    });
                    self.marker = false;
                }
                self.sequence += 1;
                self.timestamp = self.timestamp.wrapping_add(self.ticks);
            }
        }
    }
}
