//! A WebRTC track on its way to the phones of a room: packets in as they come, PCM out every 20 ms.

use crate::{said::Said, voice::VoiceDecoder};
use std::time::Duration;
use trunkline_rtp::{Frame, JitterBuffer, JitterConfig};
use trunkline_types::{Time, VoiceCodec};

/// Samples of the longest packet, 120 ms at 16 kHz (RFC 6716 §2.1.4).
const LONG: usize = 1_920;

/// See the module. One serves all phones of a room: they hear the same.
pub(crate) struct Downlink {
    jitter: JitterBuffer,
    decoder: VoiceDecoder,
    codec: VoiceCodec,
    rate: u32,
    /// Frames that had to be made up in a row.
    concealed: u32,
    /// When the packet that has just begun to be played came.
    begun: Option<Time>,
    /// A packet longer than a frame, while it is played.
    long: Box<[i16; LONG]>,
}

/// What a downlink is set to.
#[derive(Clone, Copy, Debug)]
pub struct Jitter {
    /// The least delay.
    pub min: Duration,
    /// The greatest delay.
    pub max: Duration,
}

impl Default for Jitter {
    fn default() -> Self {
        Self { min: Duration::from_millis(20), max: Duration::from_millis(200) }
    }
}

/// Beyond this many made-up frames there is silence.
const CONCEAL: u32 = 5;

impl Downlink {
    pub(crate) fn new(codec: VoiceCodec, rate: u32, jitter: Jitter) -> Option<Self> {
        let frame = Duration::from_millis(20);
        let config = JitterConfig {
            clock_rate: codec.clock(),
            frame,
            min: jitter.min,
            max: jitter.max,
            repairs: codec == VoiceCodec::Opus,
        };
        Some(Self {
            jitter: JitterBuffer::new(config),
            decoder: VoiceDecoder::new(codec, rate)?,
            codec,
            rate,
            concealed: 0,
            begun: None,
            long: Box::new([0; LONG]),
        })
    }

    /// Phones hear it from now on, and what came before only as far as the delay needs it.
    pub(crate) fn begin(&mut self, now: Time) {
        self.jitter.begin(now);
    }

    /// Another source: what is left of the old one is not played.
    pub(crate) fn reset(&mut self) {
        self.jitter.reset();
    }

    /// A packet came.
    pub(crate) fn push(&mut self, sequence: u16, timestamp: u32, marker: bool, payload: &[u8], now: Time) {
        self.jitter.push(sequence, timestamp, marker, self.decoder.ticks(payload), payload, now);
    }

    /// Whether something is left to be played.
    pub(crate) fn is_empty(&self) -> bool {
        self.jitter.is_empty()
    }

    /// The next 20 ms as they came, for a phone that speaks the same codec.
    pub(crate) fn next_packet(&mut self, now: Time) -> Said<'_> {
        match self.jitter.pop(now) {
            Frame::Packet { payload, offset: 0, samples, arrived, .. } => {
                self.concealed = 0;
                Said::Packet(payload, samples, arrived)
            }
            Frame::Packet { .. } => Said::Skipped,
            Frame::Lost { .. } => {
                self.concealed += 1;
                if self.concealed <= CONCEAL { Said::Lost } else { Said::Nothing }
            }
            Frame::Silence => Said::Nothing,
        }
    }

    /// When the packet came whose first sample the last 20 ms hold, if they hold one.
    pub(crate) fn begun(&mut self) -> Option<Time> {
        self.begun.take()
    }

    /// The next 20 ms; `false` for silence, which is not written.
    pub(crate) fn next(&mut self, out: &mut [i16], now: Time) -> bool {
        match self.jitter.pop(now) {
            Frame::Packet { payload, offset, samples, arrived, .. } => {
                self.concealed = 0;
                self.begun = (offset == 0).then_some(arrived);
                if offset == 0 && samples <= self.codec.frame_ticks() {
                    return self.decoder.decode(payload, out);
                }
                if offset == 0 {
                    self.long.fill(0);
                    if !self.decoder.decode(payload, &mut self.long[..]) {
                        return false;
                    }
                }
                // The part of a long packet whose turn it is.
                let start = offset as usize * self.rate as usize / self.codec.clock() as usize;
                let Some(part) = self.long.get(start..start + out.len()) else { return false };
                out.copy_from_slice(part);
                true
            }
            Frame::Lost { next } => {
                self.concealed += 1;
                self.concealed <= CONCEAL && self.decoder.conceal(next, out)
            }
            Frame::Silence => false,
        }
    }
}
