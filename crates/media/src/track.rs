//! A track of a room: where it comes from and where it goes.

use crate::{downlink::Downlink, reception::Arrivals, uplink::Uplink};
use trunkline_types::{ParticipantSid, TrackSid};

/// Where its media comes from, by the indexes of its thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A section of a WebRTC connection.
    Peer {
        peer: usize,
        video: bool,
    },
    /// The caller's voice.
    Leg(usize),
    Builtin(ParticipantSid),
    /// It is gone; what it said last is still played to the phones.
    Gone,
}

/// A section of a subscriber's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subscriber {
    pub(crate) peer: usize,
    pub(crate) section: usize,
}

/// Which numbers a voice of our own goes out with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fed {
    /// Those of our encoder.
    Encoded,
    /// Those of the far end, whose packets go on as they came.
    Passed,
}

/// See the module.
pub(crate) struct Track {
    pub(crate) sid: TrackSid,
    pub(crate) origin: Origin,
    pub(crate) muted: bool,
    pub(crate) subscribers: Vec<Subscriber>,
    /// Of a voice of our own, while somebody listens over WebRTC.
    pub(crate) uplink: Option<Box<Uplink>>,
    /// Of a WebRTC audio track, while there are phones.
    pub(crate) downlink: Option<Box<Downlink>>,
    /// How loud it is: 0 to 1, the peak since the last report.
    pub(crate) level: f32,
    /// How a publisher's packets have come.
    pub(crate) arrivals: Arrivals,
    /// Tells its numbers from those of other tracks, and from its own of before a new origin.
    pub(crate) id: u64,
    fed: Option<Fed>,
}

impl Track {
    pub(crate) fn new(sid: TrackSid, origin: Origin, id: u64) -> Self {
        Self {
            sid,
            origin,
            muted: false,
            subscribers: Vec::new(),
            uplink: None,
            downlink: None,
            level: 0.0,
            arrivals: Arrivals::default(),
            id,
            fed: None,
        }
    }

    /// What follows has its numbers from there. Where that is new, subscribers must not take them
    /// for a continuation: the track is counted as another one, for which `next` is the number.
    pub(crate) fn is_fed(&mut self, fed: Fed, next: &mut u64) {
        if self.fed.is_some_and(|before| before != fed) {
            *next += 1;
            self.id = *next;
        }
        self.fed = Some(fed);
    }

    /// Another encoder, whose numbers begin anew.
    pub(crate) fn renew(&mut self, uplink: Option<Uplink>, next: &mut u64) {
        *next += 1;
        self.id = *next;
        self.uplink = uplink.map(Box::new);
    }

    /// Whether the phones of the room hear it through a downlink.
    pub(crate) fn is_for_phones(&self) -> bool {
        matches!(self.origin, Origin::Peer { video: false, .. })
    }

    pub(crate) fn note_level(&mut self, level: f32) {
        self.level = self.level.max(level);
    }
}

/// The level an RFC 6464 extension names: −127 to 0 dBov.
pub(crate) fn level_of_dbov(dbov: i8) -> f32 {
    if dbov <= -90 { 0.0 } else { 10f32.powf(f32::from(dbov) / 20.0).clamp(0.0, 1.0) }
}

/// The level of PCM.
pub(crate) fn level_of_pcm(pcm: &[i16]) -> f32 {
    if pcm.is_empty() {
        return 0.0;
    }
    let energy: f32 = pcm.iter().map(|s| f32::from(*s) * f32::from(*s)).sum();
    (energy / pcm.len() as f32).sqrt() / 32_768.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{out_stream::OutStream, uplink::Quality};
    use trunkline_types::VoiceCodec;

    #[test]
    fn subscribers_hear_on_when_the_numbers_of_a_voice_begin_anew() {
        let (mut next, mut out, mut last) = (1, OutStream::default(), None);
        let mut track = Track::new("TR_caller".into(), Origin::Leg(0), next);
        // Ringing and speech through our encoder, packets as they come, and another encoder.
        for (fed, first) in [(Fed::Encoded, 0), (Fed::Passed, 65_536), (Fed::Encoded, 50), (Fed::Encoded, 0)] {
            track.is_fed(fed, &mut next);
            if first == 0 {
                track.renew(Uplink::new(VoiceCodec::Opus, 8_000, Quality::default()), &mut next);
            }
            for n in 0..100 {
                let numbers = out.number(track.id, first + n, (first + n) as u32 * 960, 960).expect("sent");
                if let Some((sequence, timestamp)) = last {
                    assert_eq!(numbers, (sequence + 1, timestamp + 960));
                }
                last = Some(numbers);
            }
        }
    }
}
