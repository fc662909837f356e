//! How a headless participant listens.

use crate::sound::{Clip, Line, Onset, Recorder};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use trunkline_audio::{g711, opus::Decoder};
use trunkline_types::VoiceCodec;

/// At which rate it decodes what is recorded or timed.
const RATE: u32 = 8_000;
/// Samples of the longest packet, 120 ms.
const LONG: usize = 960;

/// What it does with what it hears, beyond counting.
#[derive(Clone, Debug, Default)]
pub enum Ear {
    /// Nothing.
    #[default]
    Counts,
    /// Keeps it.
    Records(Tape),
    /// Times its own marks and those it hears.
    Marks {
        /// Where its own are noted.
        ours: Arc<Line>,
        /// Where those it hears are noted.
        theirs: Arc<Line>,
    },
}

/// A recording at 8 kHz that can be taken once the participant is gone.
#[derive(Clone, Debug, Default)]
pub struct Tape(Arc<Mutex<Recorder>>);

impl Tape {
    /// An empty one.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Recorder::new(RATE, 48_000))))
    }

    /// Takes what there is.
    pub fn take(&self) -> Clip {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).clip()
    }
}

/// The ear at work.
pub(crate) struct Listening {
    ear: Ear,
    codec: VoiceCodec,
    decoder: Option<Decoder>,
    onset: Onset,
}

impl Listening {
    pub(crate) fn new(ear: Ear, codec: VoiceCodec) -> Self {
        let decoder = if matches!(ear, Ear::Counts) { None } else { Decoder::new(RATE).ok() };
        Self { ear, codec, decoder, onset: Onset::new(RATE) }
    }

    pub(crate) fn said(&self, packet: u64, now: Instant) {
        if let Ear::Marks { ours, .. } = &self.ear
            && crate::sound::mark_begins(packet)
        {
            ours.sent(now);
        }
    }

    pub(crate) fn heard(&mut self, timestamp: u32, payload: &[u8], now: Instant) {
        let Some(decoder) = &mut self.decoder else { return };
        let mut pcm = [0; LONG];
        let law = match self.codec {
            VoiceCodec::Opus => None,
            VoiceCodec::Pcmu => Some(g711::decode_ulaw as fn(u8) -> i16),
            VoiceCodec::Pcma => Some(g711::decode_alaw as fn(u8) -> i16),
        };
        let samples = match law {
            Some(law) => {
                pcm.iter_mut().zip(payload).for_each(|(slot, byte)| *slot = law(*byte));
                payload.len().min(LONG)
            }
            None => match decoder.decode(payload, &mut pcm) {
                Ok(samples) => samples,
                Err(_) => return,
            },
        };
        // Recordings count in ticks of Opus.
        let timestamp = timestamp.wrapping_mul(VoiceCodec::Opus.clock() / self.codec.clock());
        match &self.ear {
            Ear::Counts => {}
            Ear::Records(tape) => {
                tape.0.lock().unwrap_or_else(PoisonError::into_inner).put(timestamp, &pcm[..samples]);
            }
            Ear::Marks { theirs, .. } => {
                if let Some(at) = self.onset.find(&pcm[..samples]) {
                    theirs.heard(now, Duration::from_secs_f64(at as f64 / f64::from(RATE)));
                }
            }
        }
    }
}
