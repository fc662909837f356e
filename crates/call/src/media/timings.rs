//! Where the time of a media thread goes.

use trunkline_types::Histogram;

/// What a media thread is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Whatever is none of the others: timers, reports, the way from one to the next. What plans cost
    /// is in no stage.
    #[default]
    Other,
    /// Reading sockets.
    Receive,
    /// Encrypting and decrypting packets of SIP legs (RFC 3711).
    Srtp,
    /// Datagrams of WebRTC connections: STUN, DTLS, SRTP and RTP.
    RtcIn,
    /// Decoding, concealing what was lost, and listening for keys in the audio.
    Decode,
    /// Taking voices from their buffers, adding them, and converting their rate.
    Mix,
    /// Encoding, with the gate that spares silence.
    Encode,
    /// Packets for WebRTC subscribers: RTP and SRTP.
    RtcOut,
    /// Writing to sockets.
    Send,
}

impl Stage {
    /// How many there are.
    pub const COUNT: usize = 9;
    /// All of them.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Other,
        Self::Receive,
        Self::Srtp,
        Self::RtcIn,
        Self::Decode,
        Self::Mix,
        Self::Encode,
        Self::RtcOut,
        Self::Send,
    ];

    /// The value of the label `stage` of the metric.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Receive => "receive",
            Self::Srtp => "srtp",
            Self::RtcIn => "rtc_in",
            Self::Decode => "decode",
            Self::Mix => "mix",
            Self::Encode => "encode",
            Self::RtcOut => "rtc_out",
            Self::Send => "send",
        }
    }
}

/// What one media thread has measured since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Of all its legs; see [`LegStats::audio_up`](super::LegStats::audio_up).
    pub audio_up: Histogram,
    /// Of all its legs; see [`LegStats::audio_down`](super::LegStats::audio_down).
    pub audio_down: Histogram,
    /// The delay that the jitter buffers aimed at, for each packet that was played to telephones.
    pub jitter_target: Histogram,
    /// How long it stayed in each [`Stage`] at a time, by `Stage as usize`. One turn of its loop in
    /// [`SAMPLED`] is measured, and of that turn everything: the sums have the proportions of the
    /// thread's time, and are a [`SAMPLED`]th of it. Time asleep is in none of them.
    pub stages: [Histogram; Stage::COUNT],
}

/// See [`Timings::stages`]. It shares no divisor with the 20 ms in which rooms take turns, so that
/// every room is met as often as the others.
pub const SAMPLED: u32 = 31;

impl Timings {
    /// Adds what another thread has measured.
    pub fn merge(&mut self, other: &Self) {
        self.audio_up.merge(&other.audio_up);
        self.audio_down.merge(&other.audio_down);
        self.jitter_target.merge(&other.jitter_target);
        for (stage, more) in self.stages.iter_mut().zip(&other.stages) {
            stage.merge(more);
        }
    }
}
