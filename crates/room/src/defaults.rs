//! What rooms get without being told.

use trunkline_types::VoiceCodec;

/// What a room gets that was not told otherwise.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// Seconds a room stays while nobody has ever joined.
    pub empty_timeout: u32,
    /// Seconds a room stays after the last one left.
    pub departure_timeout: u32,
    /// A join may create the room.
    pub auto_create: bool,
    /// What rooms speak over WebRTC.
    pub voice_codec: VoiceCodec,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { empty_timeout: 300, departure_timeout: 20, auto_create: true, voice_codec: VoiceCodec::Opus }
    }
}
