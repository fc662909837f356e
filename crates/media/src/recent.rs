//! What a voice has said last, while no phone is there: who comes hears it at once.

use crate::{downlink::Downlink, passing::Passing};
use std::time::Duration;
use trunkline_types::Time;

/// Packets kept: of 20 ms each, one of them is older than the least delay of a jitter buffer.
const KEPT: usize = 2;
/// What is older belongs to an earlier word.
const STALE: Duration = Duration::from_millis(60);

/// See the module.
#[derive(Default)]
pub(crate) struct Recent {
    kept: [Kept; KEPT],
    /// Where the next one goes, over the oldest.
    next: usize,
}

#[derive(Default)]
struct Kept {
    sequence: u16,
    timestamp: u32,
    came: Option<Time>,
    payload: Vec<u8>,
}

impl Recent {
    pub(crate) fn keep(&mut self, packet: &Passing<'_>, now: Time) {
        let Some(slot) = self.kept.get_mut(self.next) else { return };
        (slot.sequence, slot.timestamp, slot.came) = (packet.sequence as u16, packet.timestamp, Some(now));
        slot.payload.clear();
        slot.payload.extend_from_slice(packet.payload.bytes());
        self.next = (self.next + 1) % KEPT;
    }

    /// Whether there is something that is not too old.
    pub(crate) fn is_fresh(&self, now: Time) -> bool {
        self.kept.iter().any(|kept| kept.is_fresh(now))
    }

    /// Gives a new downlink what is not too old, the oldest first.
    pub(crate) fn give(&mut self, downlink: &mut Downlink, now: Time) {
        for n in 0..KEPT {
            let kept = &self.kept[(self.next + n) % KEPT];
            if let Some(came) = kept.came.filter(|_| kept.is_fresh(now)) {
                downlink.push(kept.sequence, kept.timestamp, false, &kept.payload, came);
            }
        }
        downlink.begin(now);
        self.forget();
    }

    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

impl Kept {
    fn is_fresh(&self, now: Time) -> bool {
        self.came.is_some_and(|came| now.since(came) < STALE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{downlink::Jitter, passing::Payload};
    use trunkline_audio::opus::{Encoder, EncoderConfig};
    use trunkline_types::VoiceCodec;

    fn at(millis: u64) -> Time {
        Time::new(millis * 1_000_000, 0)
    }

    fn spoken(n: u64, payload: &[u8]) -> Passing<'_> {
        Passing {
            payload_type: Some(111),
            sequence: n,
            timestamp: n as u32 * 960,
            marker: false,
            level: None,
            orientation: None,
            payload: Payload::Plain(payload),
        }
    }

    /// Ten packets, 20 ms apart, and then a phone after `millis`: whether it hears something at once.
    fn hears(millis: u64) -> bool {
        let mut encoder = Encoder::new(EncoderConfig { rate: 48_000, ..EncoderConfig::default() }).unwrap();
        let mut recent = Recent::default();
        for n in 0..10 {
            let mut bytes = [0; 400];
            let length = encoder.encode(&[(n as i16 + 1) * 900; 960], &mut bytes).unwrap();
            recent.keep(&spoken(n, &bytes[..length]), at(n * 20));
        }
        let now = at(9 * 20 + millis);
        let mut downlink = Downlink::new(VoiceCodec::Opus, 8_000, Jitter::default()).unwrap();
        assert_eq!(recent.is_fresh(now), millis < 60);
        recent.give(&mut downlink, now);
        assert!(!recent.is_fresh(now));
        downlink.next(&mut [0; 160], now)
    }

    #[test]
    fn who_comes_while_somebody_speaks_hears_it_at_once() {
        for millis in 0..20 {
            assert!(hears(millis), "{millis}");
        }
    }

    #[test]
    fn what_was_said_long_ago_is_not_heard() {
        assert!(!hears(60));
        assert!(!hears(5_000));
    }
}
