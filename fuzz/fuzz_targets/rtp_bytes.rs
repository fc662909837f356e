//! RTP, RTCP, SRTP and the jitter buffer: a sequence of packets of any bytes, at any time. What can be
//! protected comes back as it was, and what is not authentic is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::time::Duration;
use trunkline_audio::opus::{Decoder, packet_samples};
use trunkline_rtp::{
    Frame, JitterBuffer, JitterConfig, Packet, extension, rtcp,
    srtp::{MAX_OVERHEAD, Session, Suite},
};
use trunkline_types::Time;

/// Two sides with the same key, in a suite that the input chooses.
struct Secured {
    near: Session,
    far: Session,
}

impl Secured {
    fn new(choice: u8) -> Self {
        let suite = Suite::ALL[usize::from(choice) % Suite::ALL.len()];
        let session = || Session::new(suite, &[7; 46][..suite.key_and_salt_bytes()]).expect("a session");
        Self { near: session(), far: session() }
    }

    fn packet(&mut self, bytes: &[u8]) {
        assert!(self.far.unprotect_rtp(&mut bytes.to_vec()).is_err());
        assert!(self.far.unprotect_rtcp(&mut bytes.to_vec()).is_err());
        let mut buffer = [bytes, &[0; MAX_OVERHEAD]].concat();
        if let Ok(length) = self.near.protect_rtp(&mut buffer, bytes.len()) {
            let plain = self.far.unprotect_rtp(&mut buffer[..length]).expect("it is authentic");
            assert_eq!(buffer[..plain], *bytes);
        }
        let mut buffer = [bytes, &[0; MAX_OVERHEAD]].concat();
        if let Ok(length) = self.near.protect_rtcp(&mut buffer, bytes.len()) {
            let plain = self.far.unprotect_rtcp(&mut buffer[..length]).expect("it is authentic");
            assert_eq!(buffer[..plain], *bytes);
        }
    }
}

fn reports(bytes: &[u8]) {
    for packet in rtcp::packets(bytes) {
        if let rtcp::Packet::SenderReport { blocks, .. } | rtcp::Packet::ReceiverReport { blocks, .. } = packet {
            assert!(blocks.count() <= 31);
        }
    }
    let mut corrected = bytes.to_vec();
    let sent = rtcp::Sent { timestamp: 1, packets: 2, bytes: 3 };
    let received = rtcp::Received { fraction_lost: 4, lost: u32::MAX, highest: 5, jitter: 6 };
    rtcp::correct(&mut corrected, |ssrc| (ssrc & 1 == 0).then_some(sent), |ssrc| (ssrc & 2 == 0).then_some(received));
    assert_eq!(rtcp::packets(&corrected).count(), rtcp::packets(bytes).count());
}

fuzz_target!(|data: &[u8]| {
    let config = JitterConfig {
        clock_rate: 48_000,
        frame: Duration::from_millis(20),
        min: Duration::from_millis(20),
        max: Duration::from_millis(200),
        repairs: true,
    };
    let mut jitter = JitterBuffer::new(config);
    let mut decoder = Decoder::new(8_000).expect("a decoder");
    let mut now = Time::new(0, 0);
    let mut secured = Secured::new(data.first().copied().unwrap_or(0));
    let mut rest = data;
    while let [millis, length, tail @ ..] = rest {
        let (bytes, after) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = after;
        now = now + Duration::from_millis(u64::from(*millis));
        let _ = rtcp::is_rtcp(bytes);
        let _ = rtcp::sender(bytes);
        reports(bytes);
        let _ = extension::audio_level(bytes, millis & 15);
        secured.packet(bytes);
        if let Some(packet) = Packet::parse(bytes) {
            let samples = packet_samples(packet.payload, 48_000).unwrap_or(960) as u32;
            let marker = packet.payload.len() % 2 == 0;
            jitter.push(packet.sequence, packet.timestamp, marker, samples, packet.payload, now);
        }
        let mut pcm = [0; 960];
        match jitter.pop(now) {
            Frame::Packet { payload, .. } => drop(decoder.decode(payload, &mut pcm)),
            Frame::Lost { next: Some(next) } => drop(decoder.decode_fec(next, &mut pcm[..160])),
            Frame::Lost { next: None } => drop(decoder.conceal(&mut pcm[..160])),
            Frame::Silence => {}
        }
        if jitter.has_spare(now) {
            assert!(matches!(jitter.pop(now), Frame::Packet { .. }), "what is spare is there");
            jitter.note_shortened();
        }
        assert!(jitter.depth_duration() < Duration::from_secs(10));
    }
});
