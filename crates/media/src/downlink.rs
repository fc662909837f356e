//! A WebRTC track on its way to the phones of a room: packets in as they come, PCM out every 20 ms.

use crate::{said::Said, soon::soon, voice::VoiceDecoder};
use std::time::Duration;
use trunkline_rtp::{Frame, JitterBuffer, JitterConfig};
use trunkline_types::{Time, VoiceCodec};

/// Samples of the longest packet, 120 ms at 16 kHz (RFC 6716 §2.1.4).
const LONG: usize = 1_920;

/// See the module. One serves all phones of a room: they hear the same.
pub(crate) struct Downlink {
    jitter: JitterBuffer,
    decoder: VoiceDecoder,
    codec: VoiceCodec,
    rate: u32,
    /// Frames that had to be made up in a row.
    concealed: u32,
    /// When the packet that has just begun to be played came.
    begun: Option<Time>,
    /// A packet longer than a frame, while it is played.
    long: Box<[i16; LONG]>,
}

/// What a downlink is set to.
#[derive(Clone, Copy, Debug)]
pub struct Jitter {
    /// The least delay.
    pub min: Duration,
    /// The greatest delay.
    pub max: Duration,
}

impl Default for Jitter {
    fn default() -> Self {
        Self { min: Duration::from_millis(20), max: Duration::from_millis(200) }
    }
}

/// Beyond this many made-up frames there is silence.
const CONCEAL: u32 = 5;

impl Downlink {
    pub(crate) fn new(codec: VoiceCodec, rate: u32, jitter: Jitter) -> Option<Self> {
        let frame = Duration::from_millis(20);
        let config = JitterConfig {
            clock_rate: codec.clock(),
            frame,
            min: jitter.min,
            max: jitter.max,
            repairs: codec == VoiceCodec::Opus,
        };
        Some(Self {
            jitter: JitterBuffer::new(config),
            decoder: VoiceDecoder::new(codec, rate)?,
            codec,
            rate,
            concealed: 0,
            begun: None,
            long: Box::new([0; LONG]),
        })
    }

    /// A packet has come for it.
    pub(crate) fn soon_pushed(&self) {
        let (slot, bytes) = self.jitter.newest_place();
        slot.into_iter().for_each(soon);
        soon(bytes);
    }

    /// Its next packet will be played.
    pub(crate) fn soon_played(&self) {
        let (slot, bytes) = self.jitter.next_place();
        slot.into_iter().for_each(soon);
        soon(bytes);
    }

    /// Phones hear it from now on, and what came before only as far as the delay needs it.
    pub(crate) fn begin(&mut self, now: Time) {
        self.jitter.begin(now);
    }

    /// Another source: what is left of the old one is not played.
    pub(crate) fn reset(&mut self) {
        self.jitter.reset();
    }

    /// A packet came.
    pub(crate) fn push(&mut self, sequence: u16, timestamp: u32, marker: bool, payload: &[u8], now: Time) {
        self.jitter.push(sequence, timestamp, marker, self.decoder.ticks(payload), payload, now);
    }

    /// Whether something is left to be played.
    pub(crate) fn is_empty(&self) -> bool {
        self.jitter.is_empty()
    }

    /// The next 20 ms as they came, for a phone that speaks the same codec.
    pub(crate) fn next_packet(&mut self, now: Time) -> Said<'_> {
        // Nobody decodes it.
        self.jitter.note_silence(false);
        match self.jitter.pop(now) {
            Frame::Packet { payload, offset: 0, samples, arrived, .. } => {
                self.concealed = 0;
                Said::Packet(payload, samples, arrived)
            }
            Frame::Packet { .. } => Said::Skipped,
            Frame::Lost { .. } => {
                self.concealed += 1;
                if self.concealed <= CONCEAL { Said::Lost } else { Said::Nothing }
            }
            Frame::Silence => Said::Nothing,
        }
    }

    /// When the packet came whose first sample the last 20 ms hold, if they hold one.
    pub(crate) fn begun(&mut self) -> Option<Time> {
        self.begun.take()
    }

    /// The next 20 ms; `false` for silence, which is not written.
    pub(crate) fn next(&mut self, out: &mut [i16], now: Time) -> bool {
        let is_voice = self.play(out, now);
        self.jitter.note_silence(self.decoder.is_silent());
        is_voice
    }

    fn play(&mut self, out: &mut [i16], now: Time) -> bool {
        match self.jitter.pop(now) {
            Frame::Packet { payload, offset, samples, arrived, .. } => {
                self.concealed = 0;
                self.begun = (offset == 0).then_some(arrived);
                if offset == 0 && samples <= self.codec.frame_ticks() {
                    return self.decoder.decode(payload, out);
                }
                if offset == 0 {
                    self.long.fill(0);
                    if !self.decoder.decode(payload, &mut self.long[..]) {
                        return false;
                    }
                }
                // The part of a long packet whose turn it is.
                let start = offset as usize * self.rate as usize / self.codec.clock() as usize;
                let Some(part) = self.long.get(start..start + out.len()) else { return false };
                out.copy_from_slice(part);
                true
            }
            Frame::Lost { next } => {
                self.concealed += 1;
                self.concealed <= CONCEAL && self.decoder.conceal(next, out)
            }
            Frame::Silence => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voice::VoiceEncoder;
    use std::f64::consts::PI;
    use trunkline_types::Random;

    const RATE: u32 = 8_000;
    const FRAME: usize = RATE as usize / 50;

    /// 20 ms of a tone of 1 kHz, of which they hold a whole number of periods.
    fn tone() -> Vec<i16> {
        (0..FRAME).map(|n| (8_000.0 * (n as f64 * PI / 4.0).sin()) as i16).collect()
    }

    /// The level of that tone in 20 ms, its phase, and the level of all else.
    fn heard(pcm: &[i16]) -> (f64, f64, f64) {
        let (mut real, mut imaginary) = (0.0, 0.0);
        for (n, sample) in pcm.iter().enumerate() {
            real += f64::from(*sample) * (n as f64 * PI / 4.0).cos() * 2.0 / FRAME as f64;
            imaginary += f64::from(*sample) * (n as f64 * PI / 4.0).sin() * 2.0 / FRAME as f64;
        }
        let energy: f64 = pcm.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / FRAME as f64;
        let level = real.hypot(imaginary);
        (level, imaginary.atan2(real), (energy - level * level / 2.0).max(0.0).sqrt())
    }

    #[test]
    fn a_tone_of_ten_minutes_has_no_gap_no_click_and_does_not_drift() {
        for codec in [VoiceCodec::Opus, VoiceCodec::Pcmu] {
            let mut random = Random::from_number(11);
            let mut encoder = VoiceEncoder::new(codec, RATE, crate::voice::Quality::default()).unwrap();
            let mut downlink = Downlink::new(codec, RATE, Jitter::default()).unwrap();
            let (tone, mut bytes, mut first) = (tone(), [0; 400], None);
            for n in 0..30_000_u64 {
                let length = encoder.encode(&tone, &mut bytes).unwrap();
                // Packets come up to 9 ms late, as on any network; the phone has its next one in time.
                let came = Time::new((n * 20 + random.below(10)) * 1_000_000, 0);
                let timestamp = (n as u32).wrapping_mul(codec.frame_ticks());
                downlink.push(n as u16, timestamp, n == 0, &bytes[..length], came);
                let mut pcm = [0; FRAME];
                let is_voice = downlink.next(&mut pcm, Time::new((n * 20 + 15) * 1_000_000, 0));
                if n < 10 {
                    continue;
                }
                let (level, phase, rest) = heard(&pcm);
                let (first_level, first_phase) = *first.get_or_insert((level, phase));
                assert!(is_voice && (level / first_level - 1.0).abs() < 0.2, "{codec:?} {n}: {level}");
                let turned = (phase - first_phase).rem_euclid(2.0 * PI);
                assert!(turned.min(2.0 * PI - turned) < 0.3, "{codec:?} {n}: {turned}");
                assert!(rest < first_level / 20.0, "{codec:?} {n}: {rest}");
            }
        }
    }

    #[test]
    fn what_a_late_moment_of_the_network_costs_is_given_back_in_pauses() {
        let mut encoder = VoiceEncoder::new(VoiceCodec::Opus, RATE, crate::voice::Quality::default()).unwrap();
        let mut downlink = Downlink::new(VoiceCodec::Opus, RATE, Jitter::default()).unwrap();
        let (tone, mut bytes, mut waiting) = (tone(), [0; 400], Vec::new());
        let mut heard_late = |frames: std::ops::Range<u64>, is_silent: bool| {
            for n in frames {
                let length = encoder.encode(if is_silent { &[0; FRAME] } else { &tone }, &mut bytes).unwrap();
                waiting.push((n, bytes[..length].to_vec()));
                let (came, now) = (Time::new(n * 20_000_000, 0), Time::new((n * 20 + 5) * 1_000_000, 0));
                // What is said in 60 ms of the third second comes at its end.
                if !(150..153).contains(&n) {
                    for (n, bytes) in waiting.drain(..) {
                        downlink.push(n as u16, n as u32 * 960, n == 0, &bytes, came);
                    }
                }
                downlink.next(&mut [0; FRAME], now);
            }
            downlink.jitter.depth_duration()
        };
        let before = heard_late(0..150, false);
        let after = heard_late(150..600, false);
        assert!(after > before, "{after:?}, {before:?} before");
        // The sender has no DTX: a pause is packets of silence. Each gives up one frame.
        let paused = heard_late(600..640, true);
        assert_eq!(after - paused, Duration::from_millis(20));
        assert_eq!(heard_late(640..900, false), paused);
        heard_late(900..940, true);
        assert_eq!(heard_late(940..1_000, false), before);
    }
}
