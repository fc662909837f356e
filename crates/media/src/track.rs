//! A track of a room: where it comes from and where it goes.

use crate::{
    arrivals::Arrivals,
    downlink::{Downlink, Jitter},
    loudness::Loudness,
    recent::Recent,
    soon::soon,
    uplink::Uplink,
};
use trunkline_types::{ParticipantSid, Time, TrackSid, VoiceCodec};

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
    /// What a WebRTC audio track has said last, while there are none.
    pub(crate) recent: Recent,
    pub(crate) loudness: Loudness,
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
            recent: Recent::default(),
            loudness: Loudness::default(),
            arrivals: Arrivals::default(),
            id,
            fed: None,
        }
    }

    /// Packets of it are on their way to who hears it.
    pub(crate) fn soon_heard(&self) {
        soon(&self.subscribers[..]);
        if let Some(uplink) = &self.uplink {
            soon(&**uplink);
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

    /// The phones of a room, which mixes at `rate` Hz, hear it from now on.
    pub(crate) fn open_downlink(&mut self, codec: VoiceCodec, rate: u32, jitter: Jitter, now: Time) {
        self.downlink = Downlink::new(codec, rate, jitter).map(Box::new);
        if let Some(downlink) = &mut self.downlink {
            self.recent.give(downlink, now);
        }
    }

    /// They hear no more of what it has said before.
    pub(crate) fn hush(&mut self) {
        self.recent.forget();
        if let Some(downlink) = &mut self.downlink {
            downlink.reset();
        }
    }

    pub(crate) fn is_video(&self) -> bool {
        matches!(self.origin, Origin::Peer { video: true, .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{out_stream::OutStream, voice::Quality};

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
