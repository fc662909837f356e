//! A WebRTC track on its way to the phones of a room: packets in as they come, PCM out every 20 ms.

use crate::{frame::FRAME, rest::Rest, said::Said, soon::soon, voice::VoiceDecoder};
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
    rest: Rest,
    /// Ticks since it was tried last to say the same in less time.
    since_shorter: u32,
}

/// What was played.
#[derive(Clone, Copy)]
struct Played {
    samples: usize,
    /// `false` for silence, which is not written.
    is_voice: bool,
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

/// A voice that is late becomes shorter in one of so many frames, by 15 ms at most: a quarter faster,
/// as people speak who are in a hurry.
const SHORTER_EVERY: u32 = 3;

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
            rest: Rest::default(),
            since_shorter: 0,
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
        self.rest.clear();
    }

    /// A packet came.
    pub(crate) fn push(&mut self, sequence: u16, timestamp: u32, marker: bool, payload: &[u8], now: Time) {
        self.jitter.push(sequence, timestamp, marker, self.decoder.ticks(payload), payload, now);
    }

    /// Whether something is left to be played.
    pub(crate) fn is_empty(&self) -> bool {
        self.jitter.is_empty() && self.rest.is_empty()
    }

    /// How much earlier its ticks might be: see [`JitterBuffer::unneeded`].
    pub(crate) fn unneeded(&mut self) -> Option<Duration> {
        self.jitter.unneeded()
    }

    /// 20 ms in ticks of its codec's clock.
    pub(crate) fn frame_ticks(&self) -> u32 {
        self.codec.frame_ticks()
    }

    /// The delay that the jitter buffer aims at.
    pub(crate) fn target(&self) -> Duration {
        self.jitter.target_duration()
    }

    /// The next 20 ms as they came, for a phone that speaks the same codec; less if packets are shorter.
    pub(crate) fn next_packet(&mut self, now: Time) -> Said<'_> {
        self.rest.clear();
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
        let length = out.len();
        self.begun = None;
        self.since_shorter = self.since_shorter.saturating_add(1);
        let may_be_shorter = self.since_shorter >= SHORTER_EVERY;
        if self.rest.is_empty() {
            let mut played = self.play(out, now);
            let mut is_late = may_be_shorter && self.jitter.has_spare(now);
            if is_late && (!played.is_voice || self.decoder.is_silent()) {
                // Silence is left out unheard.
                self.is_shorter();
                played = self.play(out, now);
                is_late = false;
            }
            if played.samples >= length && !is_late {
                return played.is_voice;
            }
            self.rest.push(&out[..played.samples.min(length)], played.is_voice);
        }
        while self.rest.len() < length {
            self.decode_on(length, now);
        }
        if may_be_shorter {
            self.since_shorter = 0;
            if self.rest.len() <= 2 * length && self.jitter.has_spare(now) {
                self.decode_on(length, now);
            }
            if self.rest.shorten(self.rate, self.rest.len() - length) {
                self.is_shorter();
            }
        }
        self.rest.take(out)
    }

    fn is_shorter(&mut self) {
        self.since_shorter = 0;
        self.jitter.note_shortened();
    }

    /// What comes next goes behind the rest.
    fn decode_on(&mut self, length: usize, now: Time) {
        let mut pcm = [0; FRAME];
        let begun = self.begun;
        let played = self.play(&mut pcm[..length.min(FRAME)], now);
        self.begun = begun.or(self.begun);
        self.rest.push(&pcm[..played.samples.min(FRAME)], played.is_voice);
    }

    fn play(&mut self, out: &mut [i16], now: Time) -> Played {
        let frame = out.len();
        let pcm = |ticks: u32| ticks as usize * self.rate as usize / self.codec.clock() as usize;
        match self.jitter.pop(now) {
            Frame::Packet { payload, offset, samples, arrived, late, .. } => {
                self.concealed = 0;
                self.begun = (offset == 0).then_some(arrived);
                if offset == 0 && samples <= self.codec.frame_ticks() {
                    return Played { samples: pcm(samples).max(1), is_voice: self.decoder.decode(payload, late, out) };
                }
                let (start, end) = (pcm(offset), pcm(samples));
                // The part of a long packet whose turn it is.
                let silence = Played { samples: frame.min(end.saturating_sub(start)).max(1), is_voice: false };
                if offset == 0 {
                    self.long.fill(0);
                    if !self.decoder.decode(payload, late, &mut self.long[..]) {
                        return silence;
                    }
                }
                let Some(part) = self.long.get(start..start + silence.samples) else { return silence };
                out[..part.len()].copy_from_slice(part);
                Played { is_voice: true, ..silence }
            }
            Frame::Lost { next } => {
                self.concealed += 1;
                let is_voice = self.concealed <= CONCEAL && self.decoder.conceal(next, out);
                Played { samples: frame, is_voice }
            }
            Frame::Silence => Played { samples: frame, is_voice: false },
        }
    }
}

#[cfg(test)]
impl Downlink {
    /// What waits to be played.
    pub(crate) fn waits(&self) -> Duration {
        let rest = Duration::from_secs(1) * u32::try_from(self.rest.len()).unwrap() / self.rate;
        self.jitter.depth_duration() + rest
    }

    /// Packets that were left out to be in time.
    pub(crate) fn left_out(&self) -> u64 {
        self.jitter.stats().dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voice::VoiceEncoder;
    use std::f64::consts::PI;
    use trunkline_audio::{
        g711,
        opus::{Encoder, EncoderConfig},
    };
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

    /// A participant who says the tone, or nothing, and a telephone that listens.
    struct Line {
        codec: VoiceCodec,
        /// The length of a packet.
        millis: u64,
        encoder: Encoder,
        downlink: Downlink,
        spoken: u64,
        waiting: Vec<(u64, Vec<u8>)>,
    }

    impl Line {
        fn new(codec: VoiceCodec, millis: u64) -> Self {
            let encoder = Encoder::new(EncoderConfig { rate: RATE, ..EncoderConfig::default() }).unwrap();
            let downlink = Downlink::new(codec, RATE, Jitter::default()).unwrap();
            Self { codec, millis, encoder, downlink, spoken: 0, waiting: Vec::new() }
        }

        fn packet(&mut self, is_silent: bool) -> Vec<u8> {
            let period = if is_silent { [0; 8] } else { <[i16; 8]>::try_from(&tone()[..8]).unwrap() };
            let pcm = period.repeat(self.millis as usize);
            if self.codec == VoiceCodec::Pcmu {
                return pcm.into_iter().map(g711::encode_ulaw).collect();
            }
            let mut bytes = vec![0; 1_275];
            let length = self.encoder.encode(&pcm, &mut bytes).unwrap();
            bytes.truncate(length);
            bytes
        }

        /// The 20 ms that begin `n` times 20 ms after the first: what is heard.
        fn tick(&mut self, n: u64, is_silent: bool, comes: bool) -> Option<Vec<i16>> {
            while self.spoken * self.millis <= n * 20 {
                let packet = self.packet(is_silent);
                self.waiting.push((self.spoken, packet));
                self.spoken += 1;
            }
            let mut pcm = vec![0; FRAME];
            let ready = if comes { std::mem::take(&mut self.waiting) } else { Vec::new() };
            for (k, bytes) in ready {
                let timestamp = (k * self.millis) as u32 * (self.codec.clock() / 1_000);
                self.downlink.push(k as u16, timestamp, k == 0, &bytes, Time::new(n * 20_000_000, 0));
            }
            self.downlink.next(&mut pcm, Time::new((n * 20 + 5) * 1_000_000, 0)).then_some(pcm)
        }

        fn waits(&self) -> Duration {
            self.downlink.waits()
        }
    }

    #[test]
    fn packets_of_any_length_are_heard_whole() {
        let lengths = [(VoiceCodec::Opus, [10, 20, 40, 60]), (VoiceCodec::Pcmu, [10, 20, 30, 40])];
        for (codec, millis) in lengths.into_iter().flat_map(|(codec, lengths)| lengths.map(|millis| (codec, millis))) {
            let (mut line, mut first, mut waited) = (Line::new(codec, millis), None, None);
            for n in 0..500 {
                let pcm = line.tick(n, false, true);
                // Opus takes its time to find into a tone.
                if n < if codec == VoiceCodec::Opus { 20 } else { 4 } {
                    continue;
                }
                let (level, phase, rest) =
                    heard(&pcm.unwrap_or_else(|| panic!("{codec:?} of {millis} ms: gap at {n}")));
                let (first_level, first_phase) = *first.get_or_insert((level, phase));
                assert!((level / first_level - 1.0).abs() < 0.2, "{codec:?} of {millis} ms, {n}: {level}");
                let turned = (phase - first_phase).rem_euclid(2.0 * PI);
                assert!(turned.min(2.0 * PI - turned) < 0.3, "{codec:?} of {millis} ms, {n}: {turned}");
                assert!(rest < first_level / 20.0, "{codec:?} of {millis} ms, {n}: {rest}");
                if n >= 48 && n % 6 == 0 {
                    assert_eq!(*waited.get_or_insert(line.waits()), line.waits(), "{codec:?} of {millis} ms, {n}");
                }
            }
        }
    }

    #[test]
    fn what_a_late_moment_of_the_network_costs_is_given_back_within_a_second_and_nobody_hears_how() {
        let mut line = Line::new(VoiceCodec::Opus, 20);
        let mut level = 0.0;
        for n in 0..500 {
            level = line.tick(n, false, true).map_or(level, |pcm| heard(&pcm).0);
        }
        let before = line.waits();
        let late: Vec<_> = (500..503).map(|n| line.tick(n, false, false)).collect();
        assert!(late.into_iter().all(|pcm| pcm.is_some()), "it is made up");
        line.tick(503, false, true);
        assert!(line.waits() > before + Duration::from_millis(20), "{:?}", line.waits());
        for n in 504..550 {
            // Nothing of what was made up is heard any more, nor what is left out.
            let (heard, _, rest) = heard(&line.tick(n, false, true).expect("no gap"));
            assert!((heard / level - 1.0).abs() < 0.1, "{n}: {heard}");
            assert!(rest < level / 20.0, "{n}: {rest}");
        }
        let after = line.waits();
        assert!(after < before + Duration::from_millis(3), "{after:?}, {before:?} before");
        (550..1_000).for_each(|n| drop(line.tick(n, false, true)));
        assert_eq!(line.waits(), after, "and stays so");
    }

    #[test]
    fn a_pause_gives_back_what_a_late_moment_cost_and_the_first_word_after_it_is_whole() {
        // The sender has no DTX: a pause is packets of silence.
        let mut line = Line::new(VoiceCodec::Opus, 20);
        for n in 0..500 {
            line.tick(n, n > 400, true);
        }
        let before = line.waits();
        (500..503).for_each(|n| drop(line.tick(n, true, false)));
        line.tick(503, true, true);
        assert!(line.waits() > before);
        (504..520).for_each(|n| drop(line.tick(n, true, true)));
        assert_eq!(line.waits(), before);
        let voiced = (520..600).filter(|n| line.tick(*n, false, true).is_some()).count();
        assert!(voiced >= 77, "{voiced} of 80");
    }
}
