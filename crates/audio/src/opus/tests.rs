//! The codec as its users see it.

use super::{Bandwidth, Decoder, Encoder, EncoderConfig, Error, bandwidth, is_dtx, packet_samples};
use crate::{noise::ComfortNoise, tone::Sine};

fn encoder(rate: u32, bitrate: u32) -> Encoder {
    Encoder::new(EncoderConfig { rate, bitrate, ..EncoderConfig::default() }).expect("an encoder")
}

fn voice(rate: u32, seconds: usize) -> Vec<i16> {
    let mut samples = vec![0; rate as usize * seconds];
    for (harmonic, amplitude) in [(1.0, 5_000), (2.0, 4_000), (3.0, 2_000), (7.0, 1_000)] {
        Sine::new(150.0 * harmonic, amplitude, rate).add(&mut samples);
    }
    samples
}

fn packets(encoder: &mut Encoder, samples: &[i16], frame: usize) -> Vec<Vec<u8>> {
    samples
        .chunks_exact(frame)
        .map(|frame| {
            let mut out = [0; 400];
            let length = encoder.encode(frame, &mut out).expect("a frame");
            out[..length].to_vec()
        })
        .collect()
}

/// The level in dB.
fn level(samples: &[i16]) -> f64 {
    let mean = samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64;
    10.0 * mean.max(1e-9).log10()
}

#[test]
fn every_rate_decodes_to_every_rate_at_its_level() {
    for (from, bitrate) in [(8_000, 24_000), (16_000, 32_000), (48_000, 32_000)] {
        let samples = voice(from, 1);
        let packets = packets(&mut encoder(from, bitrate), &samples, from as usize / 50);
        for to in [8_000, 16_000, 48_000] {
            let mut decoder = Decoder::new(to).expect("a decoder");
            let mut out = Vec::new();
            for packet in &packets {
                let mut frame = vec![0; to as usize / 50];
                assert_eq!(packet_samples(packet, to), Some(frame.len()));
                assert_eq!(decoder.decode(packet, &mut frame), Ok(frame.len()));
                out.extend(frame);
            }
            let difference = level(&out[out.len() / 2..]) - level(&samples);
            assert!(difference.abs() < 1.5, "{from} to {to}: {difference:.1} dB");
        }
    }
}

#[test]
fn the_bitrate_and_the_bandwidth_are_those_of_a_telephone() {
    for (rate, bitrate, band) in [(8_000, 24_000, Bandwidth::Narrow), (16_000, 32_000, Bandwidth::Wide)] {
        let packets = packets(&mut encoder(rate, bitrate), &voice(rate, 4), rate as usize / 50);
        let bytes: usize = packets.iter().map(Vec::len).sum();
        assert!(bytes * 8 / 4 < bitrate as usize * 6 / 5, "{} bit/s", bytes * 8 / 4);
        assert!(packets.iter().any(|packet| packet.len() != packets[0].len()), "the bitrate varies");
        assert!(packets.iter().all(|packet| bandwidth(packet) == Some(band)));
    }
}

#[test]
fn a_lost_frame_comes_back_from_the_next() {
    let config =
        EncoderConfig { rate: 16_000, bitrate: 32_000, complexity: 5, fec: true, loss_percent: 20, dtx: false };
    let mut encoder = Encoder::new(config).expect("an encoder");
    // Every frame has another level, so that repeating the one before is no guess at it.
    let mut samples = voice(16_000, 1);
    for (n, frame) in samples.chunks_mut(320).enumerate() {
        crate::mix::scale(frame, if n % 8 < 4 { 256 } else { 16 });
    }
    let packets = packets(&mut encoder, &samples, 320);
    let error = |use_fec: bool| {
        let (mut whole, mut lossy) = (Decoder::new(16_000).expect("one"), Decoder::new(16_000).expect("one"));
        let mut sum = 0.0;
        for n in 0..49 {
            let (mut right, mut guess) = ([0; 320], [0; 320]);
            whole.decode(&packets[n], &mut right).expect("a packet");
            if n % 8 == 4 {
                let made =
                    if use_fec { lossy.decode_fec(&packets[n + 1], &mut guess) } else { lossy.conceal(&mut guess) };
                assert_eq!(made, Ok(320));
                sum += right.iter().zip(&guess).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>();
            } else {
                lossy.decode(&packets[n], &mut guess).expect("a packet");
            }
        }
        sum
    };
    let (with, without) = (error(true), error(false));
    assert!(with * 4.0 < without, "{with:.0} against {without:.0}");
}

#[test]
fn what_was_late_is_decoded_as_if_nothing_had_been_made_up() {
    for (from, to) in [(8_000, 8_000), (48_000, 8_000), (16_000, 16_000), (48_000, 48_000)] {
        let frame = to as usize / 50;
        let packets = packets(&mut encoder(from, 32_000), &voice(from, 1), from as usize / 50);
        let (mut punctual, mut late) = (Decoder::new(to).expect("one"), Decoder::new(to).expect("one"));
        let (mut right, mut heard, mut last) = (vec![0; frame], vec![0; frame], 0);
        for (n, packet) in packets.iter().enumerate() {
            let waits = n % 10 == 9;
            // Once more than once, and longer each time.
            for _ in 0..if waits { n / 10 } else { 0 } {
                late.conceal(&mut heard).expect("a guess");
                last = heard[frame - 1];
            }
            assert_eq!(punctual.decode(packet, &mut right), Ok(frame));
            assert_eq!(late.decode_late(packet, &mut heard), Ok(frame));
            let seam = if waits && n > 10 { frame / 4 } else { 0 };
            assert_eq!(heard[seam..], right[seam..], "{from} to {to}, packet {n}");
            if seam > 0 {
                assert_ne!(heard[..seam], right[..seam], "{from} to {to}, packet {n}");
                let steepest = right.windows(2).map(|pair| pair[1].abs_diff(pair[0])).max().expect("a frame");
                assert!(heard[0].abs_diff(last) <= steepest, "{from} to {to}, packet {n}: {last}, then {}", heard[0]);
            }
        }
        // What was lost is lost: the decoder goes on from what it made up.
        late.conceal(&mut heard).expect("a guess");
        punctual.conceal(&mut right).expect("a guess");
        assert_eq!(late.decode(&packets[0], &mut heard), punctual.decode(&packets[0], &mut right));
        assert_eq!(heard, right);
        assert_eq!(late.decode_late(&packets[1], &mut heard), punctual.decode(&packets[1], &mut right));
        assert_eq!(heard, right, "nothing is made up before it");
    }
}

#[test]
fn concealment_fades_to_the_background() {
    // Words and pauses: what never pauses would be taken for the background itself.
    let mut samples = voice(8_000, 3);
    for (n, frame) in samples.chunks_mut(160).enumerate() {
        crate::mix::scale(frame, if n % 50 < 25 { 0 } else { 256 });
    }
    let packets = packets(&mut encoder(8_000, 24_000), &samples, 160);
    let mut decoder = Decoder::new(8_000).expect("a decoder");
    let mut out = [0; 160];
    for packet in &packets {
        decoder.decode(packet, &mut out).expect("a packet");
    }
    let heard = level(&out);
    decoder.conceal(&mut out).expect("a guess");
    assert!(level(&out) > heard - 10.0);
    for _ in 0..50 {
        decoder.conceal(&mut out).expect("a guess");
    }
    assert!(level(&out) < heard - 20.0, "{:.1} dB of {heard:.1}", level(&out));
}

#[test]
fn silence_with_dtx_is_almost_nothing() {
    let mut encoder = Encoder::new(EncoderConfig { dtx: true, ..EncoderConfig::default() }).expect("an encoder");
    let packets = packets(&mut encoder, &[0; 160 * 100], 160);
    assert!(packets[50..].iter().filter(|packet| is_dtx(packet)).count() > 30);
    let mut decoder = Decoder::new(8_000).expect("a decoder");
    let mut out = [0; 160];
    for packet in &packets {
        assert_eq!(decoder.decode(packet, &mut out), Ok(160));
    }
}

#[test]
fn stereo_is_mixed_down() {
    // The bit that says stereo (RFC 6716 §3.1) over any payload is a valid packet of two channels.
    let mut noise = [0; 960];
    ComfortNoise::new(20, 1).fill(&mut noise);
    let mut packet = [0; 400];
    let length = encoder(48_000, 96_000).encode(&noise, &mut packet).expect("a frame");
    packet[0] |= 4;
    for rate in [8_000, 16_000, 48_000] {
        let mut out = vec![0; rate as usize / 50];
        let mut decoder = Decoder::new(rate).expect("a decoder");
        assert_eq!(decoder.decode(&packet[..length], &mut out), Ok(out.len()));
    }
}

#[test]
fn lengths_that_are_no_frame_are_refused() {
    assert_eq!(encoder(48_000, 32_000).encode(&[0; 240], &mut [0; 400]).map(|_| ()), Ok(()), "5 ms");
    assert_eq!(
        encoder(16_000, 32_000).encode(&[0; 80], &mut [0; 400]),
        Err(Error::FrameLength(80)),
        "SILK has no 5 ms"
    );
    let mut encoder = encoder(8_000, 24_000);
    let mut bytes = [0; 400];
    for length in [0, 1, 19, 161, 240, 961, 100_000] {
        assert_eq!(encoder.encode(&vec![0; length], &mut bytes), Err(Error::FrameLength(length)));
    }
    assert_eq!(encoder.encode(&[0; 160], &mut []), Err(Error::Buffer));
    let mut decoder = Decoder::new(8_000).expect("a decoder");
    for length in [0, 1, 19, 161, 980, 10_000_000] {
        let mut out = vec![0; length];
        assert_eq!(decoder.conceal(&mut out), Err(Error::FrameLength(length)));
        assert_eq!(decoder.decode_fec(&[0x08, 1, 2], &mut out), Err(Error::FrameLength(length)));
    }
    assert_eq!(Decoder::new(44_100).err(), Some(Error::Rate(44_100)));
    let config = EncoderConfig { rate: 24_000, ..EncoderConfig::default() };
    assert_eq!(Encoder::new(config).err(), Some(Error::Rate(24_000)));
}

#[test]
fn little_room_makes_a_small_packet() {
    let mut bytes = [0; 20];
    let samples = voice(8_000, 1);
    let length = encoder(8_000, 24_000).encode(&samples[..160], &mut bytes).expect("a frame");
    assert!(length <= 20);
    let mut decoder = Decoder::new(8_000).expect("a decoder");
    assert_eq!(decoder.decode(&bytes[..length], &mut [0; 159]), Err(Error::Buffer));
    assert_eq!(decoder.decode(&bytes[..length], &mut [0; 160]), Ok(160));
}

#[test]
fn hostile_packets_are_errors_or_noise() {
    let mut state = 7u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 16
    };
    let mut decoders = [8_000, 16_000, 48_000].map(|rate| Decoder::new(rate).expect("a decoder"));
    let mut out = vec![0; 5_760];
    let mut good = 0;
    for _ in 0..5_000 {
        let packet: Vec<u8> = (0..next() % 90).map(|_| next() as u8).collect();
        for decoder in &mut decoders {
            if let Ok(samples) = decoder.decode(&packet, &mut out) {
                assert_eq!(Some(samples), packet_samples(&packet, decoder.rate()));
                good += 1;
            }
            let frame = decoder.rate() as usize / 50;
            let _ = decoder.decode_fec(&packet, &mut out[..frame]);
            let _ = decoder.conceal(&mut out[..frame]);
            let _ = decoder.decode_late(&packet, &mut out[..frame]);
            let _ = decoder.decode(&packet, &mut out[..next() as usize % 1_000]);
        }
    }
    assert!(good > 1_000);
    for decoder in &mut decoders {
        assert_eq!(decoder.decode(&[], &mut out), Err(Error::Packet));
        assert_eq!(decoder.decode(&[3], &mut out), Err(Error::Packet));
        assert_eq!(decoder.decode(&vec![0xff; 1 << 20], &mut out), Err(Error::Packet));
        decoder.reset();
        assert!(decoder.decode(&[0x08], &mut out).is_ok(), "usable after all that");
    }
}

#[test]
fn the_first_byte_tells_length_and_bandwidth() {
    assert_eq!(packet_samples(&[0x00], 8_000), Some(80));
    assert_eq!(packet_samples(&[0x18], 8_000), Some(480));
    assert_eq!(packet_samples(&[0x80], 48_000), Some(120));
    assert_eq!(packet_samples(&[0x80], 8_000), Some(20));
    assert_eq!(packet_samples(&[0x78], 48_000), Some(960));
    assert_eq!(packet_samples(&[0x79], 48_000), Some(1_920));
    assert_eq!(packet_samples(&[0x7b, 6], 48_000), Some(5_760));
    assert_eq!(packet_samples(&[0x7b, 7], 48_000), None);
    assert_eq!(packet_samples(&[0x7b, 0], 48_000), None);
    assert_eq!(packet_samples(&[0x7b], 48_000), None);
    assert_eq!(packet_samples(&[], 48_000), None);
    assert_eq!(bandwidth(&[]), None);
    let bands = [0x00, 0x20, 0x40, 0x60, 0x70, 0x80, 0xa0, 0xc0, 0xe0].map(|toc| bandwidth(&[toc]));
    use Bandwidth::{Full, Medium, Narrow, SuperWide, Wide};
    assert_eq!(bands, [Narrow, Medium, Wide, SuperWide, Full, Narrow, Wide, SuperWide, Full].map(Some));
    assert!(is_dtx(&[8]) && is_dtx(&[]) && !is_dtx(&[8, 1, 2]));
}

#[test]
fn states_move_between_threads() {
    fn moves<T: Send>() {}
    moves::<Encoder>();
    moves::<Decoder>();
}
