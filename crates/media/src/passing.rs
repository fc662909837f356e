//! A packet on its way from a track to those who hear or see it.

use crate::frame::Frame;
use std::sync::Arc;
use str0m::rtp::{ExtensionValues, RtpPacket, VideoOrientation};
use trunkline_rtp::extension::AudioLevel;

/// See the module.
pub(crate) struct Passing<'a> {
    /// The publisher's; `None` for a voice of our own.
    pub(crate) payload_type: Option<u8>,
    /// The sequence number with its roll-overs.
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) level: Option<AudioLevel>,
    pub(crate) orientation: Option<VideoOrientation>,
    pub(crate) payload: Payload<'a>,
}

/// Its payload, shared where it is already.
#[derive(Clone, Copy)]
pub(crate) enum Payload<'a> {
    Shared(&'a Arc<[u8]>),
    Plain(&'a [u8]),
}

impl Payload<'_> {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Plain(bytes) => bytes,
        }
    }

    pub(crate) fn shared(&self) -> Arc<[u8]> {
        match *self {
            Self::Shared(bytes) => bytes.clone(),
            Self::Plain(bytes) => bytes.into(),
        }
    }
}

impl<'a> Passing<'a> {
    /// One that the WebRTC stack has taken in.
    pub(crate) fn of_stack(packet: &'a RtpPacket) -> Self {
        let values = &packet.header.ext_vals;
        let level = values
            .audio_level
            .map(|dbov| AudioLevel { voice: values.voice_activity.unwrap_or(false), level: dbov.unsigned_abs() });
        Self {
            payload_type: Some(*packet.header.payload_type),
            sequence: *packet.seq_no,
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            level,
            orientation: values.video_orientation,
            payload: Payload::Shared(&packet.payload),
        }
    }

    /// 20 ms of a voice of our own.
    pub(crate) fn of_frame(frame: Frame<'a>) -> Self {
        Self {
            payload_type: None,
            sequence: frame.sequence,
            timestamp: frame.timestamp,
            marker: frame.marker,
            level: None,
            orientation: None,
            payload: Payload::Plain(frame.payload),
        }
    }

    /// What the WebRTC stack shall write into the header's extension.
    pub(crate) fn extensions(&self) -> ExtensionValues {
        ExtensionValues {
            audio_level: self.level.map(|level| -i8::try_from(level.level).unwrap_or(i8::MAX)),
            voice_activity: self.level.map(|level| level.voice),
            video_orientation: self.orientation,
            ..Default::default()
        }
    }
}
