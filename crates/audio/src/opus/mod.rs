//! Opus (RFC 6716) for telephony: mono, VoIP, variable bitrate, on libopus.

mod decoder;
mod encoder;
mod error;
#[allow(unsafe_code, reason = "libopus is C; the whole of its interface is wrapped here")]
mod ffi;
mod packet;

pub use decoder::Decoder;
pub use encoder::{Encoder, EncoderConfig};
pub use error::Error;
pub use packet::{Bandwidth, bandwidth, is_dtx, packet_samples};

#[cfg(test)]
mod tests;
