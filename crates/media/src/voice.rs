//! Voices in the codec of a room: PCM into packets of 20 ms, and packets into PCM.

use crate::hush::Hush;
use trunkline_audio::{
    g711,
    gate::Gate,
    opus::{self, Decoder, Encoder, EncoderConfig},
    plc::Concealer,
    resample::Resampler,
};
use trunkline_types::VoiceCodec;

/// Bytes of 20 ms of G.711, and its samples.
const G711_FRAME: usize = 160;
/// Samples of 20 ms at 16 kHz.
const WIDE_FRAME: usize = 320;
/// G.711 has 8 kHz.
const NARROW: u32 = 8_000;

/// How voices are encoded.
#[derive(Clone, Copy, Debug)]
pub struct Quality {
    /// libopus' complexity, 0 to 10.
    pub complexity: u8,
    /// Bits per second of an 8 kHz voice.
    pub narrowband: u32,
    /// Bits per second of a 16 kHz voice.
    pub wideband: u32,
}

impl Default for Quality {
    /// The sweet spot of quality and cost: complexity 1 at the caller's own bandwidth.
    fn default() -> Self {
        Self { complexity: 1, narrowband: 24_000, wideband: 32_000 }
    }
}

/// The two laws of G.711.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Law {
    U,
    A,
}

impl Law {
    /// The law of a codec; `None` for Opus.
    pub(crate) const fn of(codec: VoiceCodec) -> Option<Self> {
        match codec {
            VoiceCodec::Opus => None,
            VoiceCodec::Pcmu => Some(Self::U),
            VoiceCodec::Pcma => Some(Self::A),
        }
    }

    /// Samples written.
    pub(crate) fn decode(self, payload: &[u8], pcm: &mut [i16]) -> usize {
        let decode = if self == Self::U { g711::decode_ulaw } else { g711::decode_alaw };
        pcm.iter_mut().zip(payload).for_each(|(slot, byte)| *slot = decode(*byte));
        payload.len().min(pcm.len())
    }

    fn encode(self, pcm: &[i16], payload: &mut [u8]) -> usize {
        let encode = if self == Self::U { g711::encode_ulaw } else { g711::encode_alaw };
        payload.iter_mut().zip(pcm).for_each(|(slot, sample)| *slot = encode(*sample));
        payload.len().min(pcm.len())
    }
}

/// How long a payload lasts.
pub(crate) fn milliseconds(codec: VoiceCodec, payload: &[u8]) -> u32 {
    let ms = match codec {
        VoiceCodec::Opus => opus::packet_samples(payload, 1_000).unwrap_or(20),
        VoiceCodec::Pcmu | VoiceCodec::Pcma => payload.len() / 8,
    };
    u32::try_from(ms).unwrap_or(20)
}

/// From PCM at some rate to payloads.
pub(crate) enum VoiceEncoder {
    Opus {
        encoder: Encoder,
        gate: Gate,
        /// Silence as it was encoded the last time: what is silent is not encoded twice.
        silence: Vec<u8>,
        /// As configured, and as it is set.
        complexity: u8,
        set: u8,
    },
    G711 {
        law: Law,
        /// From a rate that is not its own.
        resampler: Option<Box<Resampler>>,
    },
}

impl VoiceEncoder {
    /// For PCM at `rate` Hz, 8,000 or 16,000.
    pub(crate) fn new(codec: VoiceCodec, rate: u32, quality: Quality) -> Option<Self> {
        if let Some(law) = Law::of(codec) {
            let resampler = if rate == NARROW { None } else { Some(Box::new(Resampler::new(rate, NARROW)?)) };
            return Some(Self::G711 { law, resampler });
        }
        let bitrate = if rate > NARROW { quality.wideband } else { quality.narrowband };
        let config = EncoderConfig { rate, bitrate, complexity: quality.complexity, ..EncoderConfig::default() };
        let encoder = Encoder::new(config).map_err(|why| tracing::error!(%why, "no Opus encoder")).ok()?;
        let complexity = quality.complexity;
        Some(Self::Opus { encoder, gate: Gate::new(rate), silence: Vec::new(), complexity, set: complexity })
    }

    /// Whether there is no time for more than the least complexity.
    pub(crate) fn spare(&mut self, is_sparing: bool) {
        if let Self::Opus { encoder, complexity, set, .. } = self {
            let wanted = if is_sparing { 0 } else { *complexity };
            if *set != wanted && encoder.set_complexity(wanted).is_ok() {
                *set = wanted;
            }
        }
    }

    /// Encodes 20 ms; returns the bytes written, `None` if the codec refuses.
    pub(crate) fn encode(&mut self, frame: &[i16], out: &mut [u8]) -> Option<usize> {
        match self {
            Self::Opus { encoder, gate, silence, .. } => {
                let is_silent = gate.is_silent(frame);
                if is_silent && !silence.is_empty() {
                    out.get_mut(..silence.len())?.copy_from_slice(silence);
                    return Some(silence.len());
                }
                let length = encoder.encode(frame, out).ok()?;
                silence.clear();
                if is_silent {
                    silence.extend(out.get(..length)?);
                }
                Some(length)
            }
            Self::G711 { law, resampler: None } => Some(law.encode(frame, out)),
            Self::G711 { law, resampler: Some(resampler) } => {
                let mut narrow = [0; G711_FRAME];
                let made = resampler.process(frame, &mut narrow).min(G711_FRAME);
                Some(law.encode(narrow.get(..made)?, out))
            }
        }
    }
}

/// From payloads to PCM at some rate.
pub(crate) enum VoiceDecoder {
    Opus {
        decoder: Decoder,
        hush: Hush,
    },
    G711 {
        law: Law,
        concealer: Box<Concealer>,
        /// To a rate that is not its own.
        resampler: Option<Box<Resampler>>,
    },
}

impl VoiceDecoder {
    /// To PCM at `rate` Hz.
    pub(crate) fn new(codec: VoiceCodec, rate: u32) -> Option<Self> {
        if let Some(law) = Law::of(codec) {
            let resampler = if rate == NARROW { None } else { Some(Box::new(Resampler::new(NARROW, rate)?)) };
            return Some(Self::G711 { law, concealer: Box::new(Concealer::new(NARROW)), resampler });
        }
        let decoder = Decoder::new(rate).map_err(|why| tracing::error!(%why, "no Opus decoder")).ok()?;
        Some(Self::Opus { decoder, hush: Hush::new(rate) })
    }

    /// Ticks of the codec's clock that a payload lasts.
    pub(crate) fn ticks(&self, payload: &[u8]) -> u32 {
        let ticks = match self {
            Self::Opus { .. } => opus::packet_samples(payload, VoiceCodec::Opus.clock()).unwrap_or(960),
            Self::G711 { .. } => payload.len(),
        };
        u32::try_from(ticks).unwrap_or(960)
    }

    /// Decodes a payload; `false` if it cannot be, or goes on with a silence as it was before: then
    /// nothing is written. It is `late` if it follows the one before and what was
    /// [made up](Self::conceal) since only filled the time until it came.
    pub(crate) fn decode(&mut self, payload: &[u8], late: bool, out: &mut [i16]) -> bool {
        match self {
            Self::Opus { hush, .. } if hush.is_known(payload) => false,
            Self::Opus { decoder, hush } => {
                let decoded = if late { decoder.decode_late(payload, out) } else { decoder.decode(payload, out) };
                let Ok(samples) = decoded else { return false };
                hush.heard(payload, out.get(..samples).unwrap_or_default());
                true
            }
            Self::G711 { law, concealer, resampler } => {
                let mut done = 0;
                for part in payload.chunks(G711_FRAME) {
                    let mut narrow = [0; G711_FRAME];
                    let samples = law.decode(part, &mut narrow);
                    let Some(narrow) = narrow.get_mut(..samples) else { return false };
                    concealer.received(narrow);
                    let Some(space) = out.get_mut(done..) else { break };
                    done += write(resampler, narrow, space);
                }
                true
            }
        }
    }

    /// Whether what was decoded last is known to be silence.
    pub(crate) fn is_silent(&self) -> bool {
        matches!(self, Self::Opus { hush, .. } if hush.is_silent())
    }

    /// Makes up a frame that was lost, from what follows it if that is known.
    pub(crate) fn conceal(&mut self, next: Option<&[u8]>, out: &mut [i16]) -> bool {
        match (self, next) {
            (Self::Opus { decoder, hush }, next) => {
                hush.interrupted();
                match next {
                    Some(next) => decoder.decode_fec(next, out).is_ok(),
                    None => decoder.conceal(out).is_ok(),
                }
            }
            (Self::G711 { concealer, resampler, .. }, _) => {
                let mut narrow = [0; G711_FRAME];
                concealer.conceal(&mut narrow);
                write(resampler, &narrow, out);
                true
            }
        }
    }
}

/// Samples written, at the rate that is wanted.
fn write(resampler: &mut Option<Box<Resampler>>, narrow: &[i16], out: &mut [i16]) -> usize {
    let Some(resampler) = resampler else {
        out.iter_mut().zip(narrow).for_each(|(slot, sample)| *slot = *sample);
        return narrow.len().min(out.len());
    };
    // It writes a frame's worth at most, whatever room there is.
    let mut wide = [0; WIDE_FRAME];
    let made = resampler.process(narrow, &mut wide).min(WIDE_FRAME).min(out.len());
    out.iter_mut().zip(wide.iter().take(made)).for_each(|(slot, sample)| *slot = *sample);
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, frame: usize) -> Vec<i16> {
        let samples = rate as usize / 50;
        let step = 2.0 * std::f64::consts::PI * 500.0 / f64::from(rate);
        (0..samples).map(|n| (8_000.0 * (step * (frame * samples + n) as f64).sin()) as i16).collect()
    }

    fn level(pcm: &[i16]) -> f64 {
        (pcm.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / pcm.len() as f64).sqrt()
    }

    #[test]
    fn a_tone_keeps_its_level_through_every_codec_at_every_rate() {
        for codec in [VoiceCodec::Opus, VoiceCodec::Pcmu, VoiceCodec::Pcma] {
            for (from, to) in [(8_000, 8_000), (16_000, 8_000), (8_000, 16_000), (16_000, 16_000)] {
                let mut encoder = VoiceEncoder::new(codec, from, Quality::default()).unwrap();
                let mut decoder = VoiceDecoder::new(codec, to).unwrap();
                let mut heard = vec![0; to as usize / 50];
                for frame in 0..20 {
                    let mut bytes = [0; 400];
                    let length = encoder.encode(&tone(from, frame), &mut bytes).unwrap();
                    assert_eq!(decoder.ticks(&bytes[..length]), codec.frame_ticks());
                    assert!(decoder.decode(&bytes[..length], false, &mut heard));
                }
                let heard = level(&heard);
                assert!((5_657.0 / 1.2..5_657.0 * 1.2).contains(&heard), "{codec:?} {from}→{to}: {heard}");
            }
        }
    }

    #[test]
    fn a_voice_is_encoded_with_less_work_only_while_that_is_asked_for() {
        let quality = Quality { complexity: 5, ..Quality::default() };
        let encoded = |quality: Quality, sparing: std::ops::Range<usize>| -> Vec<Vec<u8>> {
            let mut encoder = VoiceEncoder::new(VoiceCodec::Opus, 8_000, quality).unwrap();
            let packet = |frame| {
                let mut bytes = [0; 400];
                encoder.spare(sparing.contains(&frame));
                let length = encoder.encode(&tone(8_000, frame), &mut bytes).unwrap();
                bytes[..length].to_vec()
            };
            (0..60).map(packet).collect()
        };
        let (whole, spared) = (encoded(quality, 0..0), encoded(quality, 20..40));
        assert_eq!(whole[..20], spared[..20]);
        assert_ne!(whole[20..40], spared[20..40]);
        let least = Quality { complexity: 0, ..quality };
        assert_eq!(encoded(least, 0..0), encoded(quality, 0..60), "from the first frame on");
        let mut decoder = VoiceDecoder::new(VoiceCodec::Opus, 8_000).unwrap();
        for (frame, packet) in spared.iter().enumerate() {
            let mut heard = [0; 160];
            assert!(decoder.decode(packet, false, &mut heard));
            let heard = level(&heard);
            assert!(frame < 5 || (5_657.0 / 1.2..5_657.0 * 1.2).contains(&heard), "{frame}: {heard}");
        }
    }

    #[test]
    fn silence_is_not_decoded_twice_and_what_follows_it_sounds_as_if_it_had_been() {
        let config = EncoderConfig { rate: 16_000, bitrate: 32_000, complexity: 5, ..EncoderConfig::default() };
        let mut encoder = Encoder::new(config).unwrap();
        let mut whole = Decoder::new(8_000).unwrap();
        let mut decoder = VoiceDecoder::new(VoiceCodec::Opus, 8_000).unwrap();
        let mut undecoded = 0;
        for frame in 0..250 {
            let says_something = !(50..200).contains(&frame);
            let pcm = if says_something { tone(16_000, frame) } else { vec![0; 320] };
            let (mut bytes, mut heard, mut all) = ([0; 400], [0; 160], [0; 160]);
            let length = encoder.encode(&pcm, &mut bytes).unwrap();
            whole.decode(&bytes[..length], &mut all).unwrap();
            let is_voice = decoder.decode(&bytes[..length], false, &mut heard);
            undecoded += usize::from(!is_voice);
            assert!(is_voice || !says_something, "{frame}");
            let differs = heard.iter().zip(all).map(|(one, other)| one.abs_diff(other)).max();
            assert!(differs < Some(50), "{frame}: {differs:?}");
        }
        // The first 200 ms of the pause and one packet of each kind are decoded.
        assert!((120..140).contains(&undecoded), "{undecoded}");
    }

    #[test]
    fn what_is_lost_is_made_up_and_odd_lengths_do_no_harm() {
        for codec in [VoiceCodec::Opus, VoiceCodec::Pcmu, VoiceCodec::Pcma] {
            for rate in [8_000, 16_000] {
                let mut encoder = VoiceEncoder::new(codec, rate, Quality::default()).unwrap();
                let mut decoder = VoiceDecoder::new(codec, rate).unwrap();
                let mut heard = vec![0; rate as usize / 50];
                let mut bytes = [0; 400];
                for frame in 0..20 {
                    let length = encoder.encode(&tone(rate, frame), &mut bytes).unwrap();
                    decoder.decode(&bytes[..length], false, &mut heard);
                }
                assert!(decoder.conceal(None, &mut heard));
                assert!(level(&heard) > 1_000.0, "{codec:?} at {rate}");
                for length in [0, 1, 7, 159, 161, 400] {
                    let _ = decoder.decode(&bytes[..length], false, &mut heard);
                }
            }
        }
    }
}
