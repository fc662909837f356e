//! Opus to PCM.

use super::{error::Error, ffi::DecoderState, packet};
use crate::halve::Halver;

/// The rate of a telephone.
const NARROW: u32 = 8_000;
/// Samples of 120 ms at twice that: no packet is longer (RFC 6716 §3.2.5).
const LONGEST: usize = 1_920;

/// An Opus decoder to one channel: stereo is mixed down. It decodes any packet, whatever its
/// bandwidth, to its own rate.
#[derive(Debug)]
pub struct Decoder {
    state: DecoderState,
    rate: u32,
    /// To 8 kHz from 16: what WebRTC sends is seldom narrower, and libopus' own way from there
    /// takes an eighth of the time of decoding.
    halver: Option<Halver>,
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
        let halver = (rate == NARROW).then(Halver::default);
        let decoded = if halver.is_some() { 2 * rate } else { rate };
        Ok(Self { state: DecoderState::new(decoded)?, rate, halver })
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
        self.run(Some(packet), &mut out[..], false)
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
        self.run(Some(next_packet), out, true)
    }

    /// Fills `out` with a guess at what was lost; with every further call it fades to the noise that
    /// was in the background. `out` must be as for [`decode_fec`](Self::decode_fec).
    ///
    /// # Errors
    /// [`Error::FrameLength`] for another `out`.
    pub fn conceal(&mut self, out: &mut [i16]) -> Result<usize, Error> {
        self.run(None, out, false)
    }

    /// Forgets what was decoded, for another source.
    pub fn reset(&mut self) {
        self.state.reset();
        self.halver = self.halver.take().map(|_| Halver::default());
    }

    /// As [`DecoderState::decode`], to this decoder's rate.
    fn run(&mut self, packet: Option<&[u8]>, out: &mut [i16], fec: bool) -> Result<usize, Error> {
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
