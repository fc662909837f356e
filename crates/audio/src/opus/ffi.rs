//! The states of libopus as owned values.
//!
//! Every length is checked before it crosses the border: libopus puts scratch memory of the size
//! of a frame on the stack, so that nothing beyond the [`longest`] packet must ever get there.

use super::error::Error;
use opusic_sys as sys;
use std::{ffi::c_int, ptr::NonNull};

/// 48 frames of 1,275 bytes and their lengths: no valid packet is longer (RFC 6716 §3.2.5).
const MAX_PACKET: usize = 48 * 1_277 + 2;

/// The samples of the longest packet, 120 ms, at a `rate` of Opus (RFC 6716 §3.2.5).
const fn longest(rate: u32) -> usize {
    rate as usize / 25 * 3
}

fn failure(code: c_int) -> Error {
    match code {
        sys::OPUS_BUFFER_TOO_SMALL => Error::Buffer,
        sys::OPUS_INVALID_PACKET => Error::Packet,
        other => Error::Library(other),
    }
}

fn count(code: c_int) -> Result<usize, Error> {
    usize::try_from(code).map_err(|_| failure(code))
}

fn length(samples: usize) -> Result<c_int, Error> {
    c_int::try_from(samples).map_err(|_| Error::FrameLength(samples))
}

/// An encoder of one channel.
#[derive(Debug)]
pub(super) struct EncoderState {
    state: NonNull<sys::OpusEncoder>,
    rate: u32,
}

// SAFETY: the state is plain memory that only its owner reaches; libopus keeps nothing per thread.
unsafe impl Send for EncoderState {}

impl EncoderState {
    /// An encoder for `application` at a rate that the caller has checked to be one of Opus.
    pub(super) fn new(rate: u32, application: Application) -> Result<Self, Error> {
        let mut code = sys::OPUS_OK;
        let hertz = c_int::try_from(rate).map_err(|_| Error::Rate(rate))?;
        // SAFETY: `code` outlives the call; libopus refuses rates and channels it does not know.
        let state = unsafe { sys::opus_encoder_create(hertz, 1, application.number(), &raw mut code) };
        NonNull::new(state).filter(|_| code == sys::OPUS_OK).map(|state| Self { state, rate }).ok_or(failure(code))
    }

    /// Sets what takes one integer.
    pub(super) fn set(&mut self, setting: EncoderSetting, value: i32) -> Result<(), Error> {
        // SAFETY: the state is alive and every request of `EncoderSetting` takes one opus_int32.
        let code = unsafe { sys::opus_encoder_ctl(self.state.as_ptr(), setting.request(), value) };
        if code == sys::OPUS_OK { Ok(()) } else { Err(failure(code)) }
    }

    /// Forgets what was encoded.
    pub(super) fn reset(&mut self) {
        // SAFETY: the state is alive; the request takes no argument.
        unsafe { sys::opus_encoder_ctl(self.state.as_ptr(), sys::OPUS_RESET_STATE) };
    }

    /// Encodes a frame of at most 120 ms; returns the bytes written.
    pub(super) fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> Result<usize, Error> {
        if pcm.is_empty() || pcm.len() > longest(self.rate) {
            return Err(Error::FrameLength(pcm.len()));
        }
        let samples = length(pcm.len())?;
        let room = i32::try_from(out.len().min(MAX_PACKET)).map_err(|_| Error::Buffer)?;
        // SAFETY: with one channel libopus reads `samples` from `pcm` and writes at most `room` to `out`.
        count(unsafe { sys::opus_encode(self.state.as_ptr(), pcm.as_ptr(), samples, out.as_mut_ptr(), room) })
    }
}

impl Drop for EncoderState {
    fn drop(&mut self) {
        // SAFETY: created by opus_encoder_create and freed once.
        unsafe { sys::opus_encoder_destroy(self.state.as_ptr()) }
    }
}

/// What an encoder is made for (`OPUS_APPLICATION_*`).
#[derive(Clone, Copy, Debug)]
pub(super) enum Application {
    /// Speech by whichever of its codecs suits the bitrate.
    Voip,
    /// Speech by SILK alone, in frames of 10 ms or more: without the state of CELT, and without
    /// the past of the sound that a change to it would need.
    Silk,
}

impl Application {
    fn number(self) -> c_int {
        match self {
            Self::Voip => sys::OPUS_APPLICATION_VOIP,
            Self::Silk => sys::OPUS_APPLICATION_RESTRICTED_SILK,
        }
    }
}

/// What can be set of an encoder.
#[derive(Clone, Copy, Debug)]
pub(super) enum EncoderSetting {
    Bitrate,
    Complexity,
    Dtx,
    InbandFec,
    PacketLoss,
    Signal,
    Vbr,
}

impl EncoderSetting {
    fn request(self) -> c_int {
        match self {
            Self::Bitrate => sys::OPUS_SET_BITRATE_REQUEST,
            Self::Complexity => sys::OPUS_SET_COMPLEXITY_REQUEST,
            Self::Dtx => sys::OPUS_SET_DTX_REQUEST,
            Self::InbandFec => sys::OPUS_SET_INBAND_FEC_REQUEST,
            Self::PacketLoss => sys::OPUS_SET_PACKET_LOSS_PERC_REQUEST,
            Self::Signal => sys::OPUS_SET_SIGNAL_REQUEST,
            Self::Vbr => sys::OPUS_SET_VBR_REQUEST,
        }
    }
}

/// libopus' name for speech.
pub(super) const SIGNAL_VOICE: i32 = sys::OPUS_SIGNAL_VOICE;

/// A decoder to one channel.
#[derive(Debug)]
pub(super) struct DecoderState {
    state: NonNull<sys::OpusDecoder>,
    rate: u32,
}

// SAFETY: as for the encoder.
unsafe impl Send for DecoderState {}

impl DecoderState {
    /// A decoder at a rate that the caller has checked to be one of Opus.
    pub(super) fn new(rate: u32) -> Result<Self, Error> {
        let mut code = sys::OPUS_OK;
        let hertz = c_int::try_from(rate).map_err(|_| Error::Rate(rate))?;
        // SAFETY: `code` outlives the call; libopus refuses rates and channels it does not know.
        let state = unsafe { sys::opus_decoder_create(hertz, 1, &raw mut code) };
        NonNull::new(state).filter(|_| code == sys::OPUS_OK).map(|state| Self { state, rate }).ok_or(failure(code))
    }

    /// Forgets what was decoded.
    pub(super) fn reset(&mut self) {
        // SAFETY: the state is alive; the request takes no argument.
        unsafe { sys::opus_decoder_ctl(self.state.as_ptr(), sys::OPUS_RESET_STATE) };
    }

    /// Becomes what `other` is, a decoder at the same rate; whether it is one.
    pub(super) fn copy_from(&mut self, other: &Self) -> bool {
        // SAFETY: a number of channels that libopus knows.
        let size = usize::try_from(unsafe { sys::opus_decoder_get_size(1) }).unwrap_or(0);
        if self.rate != other.rate || size == 0 {
            return false;
        }
        // SAFETY: both are alive, two allocations of this size; a state holds no address of its own memory,
        // and libopus lets it be copied so (opus.h, "only a shallow copy is required").
        unsafe { std::ptr::copy_nonoverlapping(other.state.as_ptr().cast::<u8>(), self.state.as_ptr().cast(), size) };
        true
    }

    /// Decodes `packet`, or with `fec` the frame before it, or without a packet what was lost.
    /// With `fec` or without a packet all of `out` is filled, which must then be at most 120 ms.
    pub(super) fn decode<S: Sample>(
        &mut self,
        packet: Option<&[u8]>,
        out: &mut [S],
        fec: bool,
    ) -> Result<usize, Error> {
        let made_up = fec || packet.is_none();
        let longest = longest(self.rate);
        if made_up && (out.is_empty() || out.len() > longest || !out.len().is_multiple_of(self.rate as usize / 400)) {
            return Err(Error::FrameLength(out.len()));
        }
        let samples = length(out.len().min(longest))?;
        if samples == 0 {
            return Err(Error::Buffer);
        }
        let (data, bytes) = match packet {
            Some(packet) if packet.is_empty() || packet.len() > MAX_PACKET => return Err(Error::Packet),
            Some(packet) => (packet.as_ptr(), i32::try_from(packet.len()).map_err(|_| Error::Packet)?),
            None => (std::ptr::null(), 0),
        };
        let state = self.state.as_ptr();
        // SAFETY: libopus reads `bytes` from `data`, which may be null when there are none, and with
        // one channel writes at most `samples`, which `out` has.
        count(unsafe { S::DECODE(state, data, bytes, out.as_mut_ptr(), samples, c_int::from(fec)) })
    }
}

type Decode<S> = unsafe extern "C" fn(*mut sys::OpusDecoder, *const u8, i32, *mut S, c_int, c_int) -> c_int;

/// What a decoder writes: 16 bits, or numbers between about -1 and 1.
pub(super) trait Sample: Sized {
    /// libopus' function for it.
    const DECODE: Decode<Self>;
}

impl Sample for i16 {
    const DECODE: Decode<Self> = sys::opus_decode;
}

impl Sample for f32 {
    const DECODE: Decode<Self> = sys::opus_decode_float;
}

impl Drop for DecoderState {
    fn drop(&mut self) {
        // SAFETY: created by opus_decoder_create and freed once.
        unsafe { sys::opus_decoder_destroy(self.state.as_ptr()) }
    }
}
