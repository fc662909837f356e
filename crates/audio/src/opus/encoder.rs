//! PCM to Opus.

use super::{
    error::Error,
    ffi::{Application, EncoderSetting, EncoderState, SIGNAL_VOICE},
};

/// The highest rate of SILK (RFC 6716 §2), samples per second.
const SILK_RATE: u32 = 16_000;

/// What an encoder is made for. The bitrate always varies: a constant one doubles the cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EncoderConfig {
    /// Samples per second that come in: 8,000, 16,000 or 48,000.
    pub rate: u32,
    /// Bits per second to aim at; libopus limits it to 500 to 512,000.
    pub bitrate: u32,
    /// libopus' complexity, 0 to 10; more is taken as 10.
    pub complexity: u8,
    /// Whether packets repeat the frame before at low quality (RFC 6716 §2.1.7). It engages only
    /// with an expected loss and bitrate to spare: at 8 kHz above 20 kb/s and at about 10 %.
    pub fec: bool,
    /// The loss to expect, in percent; more than 100 is taken as 100.
    pub loss_percent: u8,
    /// Whether silence becomes packets of at most two bytes (RFC 6716 §2.1.9).
    pub dtx: bool,
}

impl Default for EncoderConfig {
    /// A telephone's voice: 8 kHz, 24 kb/s, complexity 1, no forward error correction, no DTX.
    fn default() -> Self {
        Self { rate: 8_000, bitrate: 24_000, complexity: 1, fec: false, loss_percent: 0, dtx: false }
    }
}

/// An Opus encoder of one channel for speech. What comes from a telephone, at 8 or 16 kHz, is
/// encoded by SILK alone, as libopus does with speech at such bitrates anyway: that holds less
/// memory than an encoder that may change to CELT.
#[derive(Debug)]
pub struct Encoder {
    state: EncoderState,
    rate: u32,
}

impl Encoder {
    /// An encoder as configured.
    ///
    /// # Errors
    /// [`Error::Rate`] when the rate is none of the three, [`Error::Library`] without memory.
    pub fn new(config: EncoderConfig) -> Result<Self, Error> {
        if !matches!(config.rate, 8_000 | 16_000 | 48_000) {
            return Err(Error::Rate(config.rate));
        }
        let application = if config.rate > SILK_RATE { Application::Voip } else { Application::Silk };
        let mut encoder = Self { state: EncoderState::new(config.rate, application)?, rate: config.rate };
        let state = &mut encoder.state;
        state.set(EncoderSetting::Vbr, 1)?;
        state.set(EncoderSetting::Signal, SIGNAL_VOICE)?;
        state.set(EncoderSetting::Dtx, i32::from(config.dtx))?;
        encoder.set_complexity(config.complexity)?;
        encoder.set_bitrate(config.bitrate)?;
        encoder.set_loss(config.fec, config.loss_percent)?;
        Ok(encoder)
    }

    /// Samples per second that it takes.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Aims at another bitrate, bits per second, from the next frame on.
    ///
    /// # Errors
    /// [`Error::Library`] when libopus refuses.
    pub fn set_bitrate(&mut self, bitrate: u32) -> Result<(), Error> {
        let bitrate = bitrate.clamp(500, 512_000);
        self.state.set(EncoderSetting::Bitrate, i32::try_from(bitrate).unwrap_or(512_000))
    }

    /// Works so hard from the next frame on: 0 to 10; more is taken as 10.
    ///
    /// # Errors
    /// [`Error::Library`] when libopus refuses.
    pub fn set_complexity(&mut self, complexity: u8) -> Result<(), Error> {
        self.state.set(EncoderSetting::Complexity, i32::from(complexity.min(10)))
    }

    /// Expects another loss from the next frame on, as receivers report it.
    ///
    /// # Errors
    /// [`Error::Library`] when libopus refuses.
    pub fn set_loss(&mut self, fec: bool, percent: u8) -> Result<(), Error> {
        self.state.set(EncoderSetting::InbandFec, i32::from(fec))?;
        self.state.set(EncoderSetting::PacketLoss, i32::from(percent.min(100)))
    }

    /// Encodes one frame of 10, 20, 40, 60, 80, 100 or 120 ms, at 48 kHz of 2.5 or 5 as well;
    /// returns its bytes. With room for fewer than the bitrate wants, the packet is made to fit.
    ///
    /// # Errors
    /// [`Error::FrameLength`] for any other number of samples, [`Error::Buffer`] without room for
    /// even the smallest packet, [`Error::Library`] when libopus fails.
    pub fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> Result<usize, Error> {
        let unit = self.rate as usize / 400;
        let units = pcm.len() / unit;
        let is_length = match units {
            1 | 2 => self.rate > SILK_RATE,
            4 | 8 | 16 | 24 | 32 | 40 | 48 => true,
            _ => false,
        };
        if !pcm.len().is_multiple_of(unit) || !is_length {
            return Err(Error::FrameLength(pcm.len()));
        }
        if out.is_empty() {
            return Err(Error::Buffer);
        }
        self.state.encode(pcm, out)
    }

    /// Forgets what was encoded, for another talkspurt or voice.
    pub fn reset(&mut self) {
        self.state.reset();
    }
}
