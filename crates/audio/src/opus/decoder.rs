//! Opus to PCM.

use super::{error::Error, ffi::DecoderState, packet};
use crate::{halve::Halver, plc::blend};

/// The rate of a telephone.
const NARROW: u32 = 8_000;
/// Samples of 120 ms at twice that: no packet is longer (RFC 6716 §3.2.5).
const LONGEST: usize = 1_920;

/// Where a late packet takes over from what was made up, both are blended for this fraction of a
/// second: a 200th, 5 ms.
const SEAM: u32 = 200;
/// Samples of that at the highest rate.
const LONGEST_SEAM: usize = 240;

/// An Opus decoder to one channel: stereo is mixed down. It decodes any packet, whatever its
/// bandwidth, to its own rate.
#[derive(Debug)]
pub struct Decoder {
    voice: Voice,
    rate: u32,
    /// What `voice` was before something was made up; of no use otherwise. Allocated when that is first
    /// needed.
    before: Option<Voice>,
    /// What was heard last is made up, without anything that is known of it.
    made_up: bool,
}

impl Decoder {
    /// A decoder to PCM at `rate` Hz: 8,000, 16,000 or 48,000.
    ///
    /// # Errors
    /// [`Error::Rate`] when the rate is none of the three, [`Error::Library`] without memory.
    pub fn new(rate: u32) -> Result<Self, Error> {
        if !matches!(rate, 8_000 | 16_000 | 48_000) {
            return Err(Error::Rate(rate));
        }
        Ok(Self { voice: Voice::new(rate)?, rate, before: None, made_up: false })
    }

    /// Samples per second that come out.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Decodes one packet; returns its samples, which [`packet_samples`](super::packet_samples)
    /// tells beforehand. A packet without any audio (DTX) gives comfort noise. What follows the
    /// samples in `out` may have been written to as well.
    ///
    /// # Errors
    /// [`Error::Packet`] when it is no Opus packet, [`Error::Buffer`] when `out` is shorter than it;
    /// the decoder stays usable.
    pub fn decode(&mut self, packet: &[u8], out: &mut [i16]) -> Result<usize, Error> {
        let samples = packet::packet_samples(packet, self.rate).ok_or(Error::Packet)?;
        if out.len() < samples {
            return Err(Error::Buffer);
        }
        self.made_up = false;
        self.voice.decode(Some(packet), &mut out[..], false)
    }

    /// Decodes a packet that was not lost but late: it follows the last one that was decoded, and what was
    /// [made up](Self::conceal) since then filled the time until it came. As [`decode`](Self::decode), but
    /// nothing of what was made up is left in the decoder, which would be heard for a while; its first
    /// 5 ms are blended with how that would have gone on.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_late(&mut self, packet: &[u8], out: &mut [i16]) -> Result<usize, Error> {
        let Some(before) = self.before.as_mut().filter(|_| self.made_up) else { return self.decode(packet, out) };
        let mut going_on = [0; LONGEST_SEAM];
        let going_on = &mut going_on[..(self.rate / SEAM) as usize];
        let seam = self.voice.decode(None, going_on, false).unwrap_or(0);
        std::mem::swap(&mut self.voice, before);
        let samples = self.decode(packet, out)?;
        let seam = seam.min(samples);
        for (n, (sample, made_up)) in out.iter_mut().zip(&going_on[..seam]).enumerate() {
            *sample = blend(f32::from(*made_up), f32::from(*sample), n, seam) as i16;
        }
        Ok(samples)
    }

    /// Fills `out` with the frame before `next_packet`, which was lost, from what `next_packet`
    /// repeats of it (RFC 6716 §2.1.7), or made up when it repeats nothing. `out` must be exactly as
    /// long as what was lost: a multiple of 2.5 ms and at most 120 ms. Afterwards `next_packet` still
    /// has to be decoded.
    ///
    /// # Errors
    /// [`Error::Packet`] when it is no Opus packet, [`Error::FrameLength`] for another `out`.
    pub fn decode_fec(&mut self, next_packet: &[u8], out: &mut [i16]) -> Result<usize, Error> {
        packet::packet_samples(next_packet, self.rate).ok_or(Error::Packet)?;
        self.made_up = false;
        self.voice.decode(Some(next_packet), out, true)
    }

    /// Fills `out` with a guess at what was lost; with every further call it fades to the noise that
    /// was in the background. `out` must be as for [`decode_fec`](Self::decode_fec).
    ///
    /// # Errors
    /// [`Error::FrameLength`] for another `out`.
    pub fn conceal(&mut self, out: &mut [i16]) -> Result<usize, Error> {
        if !self.made_up {
            self.made_up = self.keep();
        }
        self.voice.decode(None, out, false)
    }

    /// Forgets what was decoded, for another source.
    pub fn reset(&mut self) {
        self.made_up = false;
        self.voice.reset();
    }

    /// Keeps the voice as it is; `false` without memory for it.
    fn keep(&mut self) -> bool {
        if self.before.is_none() {
            self.before = Voice::new(self.rate).ok();
        }
        self.before.as_mut().is_some_and(|before| before.copy_from(&self.voice))
    }
}

/// The voice that is decoded, with its past.
#[derive(Debug)]
struct Voice {
    state: DecoderState,
    /// To 8 kHz from 16: what WebRTC sends is seldom narrower, and libopus' own way from there
    /// takes an eighth of the time of decoding.
    halver: Option<Halver>,
}

impl Voice {
    fn new(rate: u32) -> Result<Self, Error> {
        let halver = (rate == NARROW).then(Halver::default);
        let decoded = if halver.is_some() { 2 * rate } else { rate };
        Ok(Self { state: DecoderState::new(decoded)?, halver })
    }

    fn reset(&mut self) {
        self.state.reset();
        self.halver = self.halver.take().map(|_| Halver::default());
    }

    /// Whether it could: both must be of the same rate.
    fn copy_from(&mut self, other: &Self) -> bool {
        self.halver.clone_from(&other.halver);
        self.state.copy_from(&other.state)
    }

    /// As [`DecoderState::decode`], to the decoder's rate.
    fn decode(&mut self, packet: Option<&[u8]>, out: &mut [i16], fec: bool) -> Result<usize, Error> {
        let Some(halver) = &mut self.halver else { return self.state.decode(packet, out, fec) };
        let mut decoded = [0_f32; LONGEST];
        let room = match (2 * out.len()).min(LONGEST) {
            // What is made up fills all of it.
            room if (fec || packet.is_none()) && room < 2 * out.len() => return Err(Error::FrameLength(out.len())),
            room => &mut decoded[..room],
        };
        let samples = self.state.decode(packet, room, fec).map_err(|why| match why {
            Error::FrameLength(twice) => Error::FrameLength(twice / 2),
            other => other,
        })?;
        Ok(halver.process(&decoded[..samples], out))
    }
}
