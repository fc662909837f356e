//! RTP, RTCP, SRTP and the jitter buffer: a sequence of packets of any bytes, at any time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::time::Duration;
use trunkline_audio::opus::{Decoder, packet_samples};
use trunkline_rtp::{Frame, JitterBuffer, JitterConfig, Packet, rtcp};
use trunkline_types::Time;

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
    let mut rest = data;
    while let [millis, length, tail @ ..] = rest {
        let (bytes, after) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = after;
        now = now + Duration::from_millis(u64::from(*millis));
        let _ = rtcp::is_rtcp(bytes);
        let _ = rtcp::sender(bytes);
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
        assert!(jitter.depth_duration() < Duration::from_secs(10));
    }
});
