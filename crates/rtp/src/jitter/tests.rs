//! The jitter buffer against networks made of numbers.

use super::*;
use std::time::Duration;
use trunkline_types::{Random, Time};

const FRAME: u64 = 20;

fn buffer() -> JitterBuffer {
    JitterBuffer::new(JitterConfig {
        clock_rate: 48_000,
        frame: Duration::from_millis(FRAME),
        min: Duration::from_millis(20),
        max: Duration::from_millis(200),
        repairs: true,
    })
}

fn at(millis: u64) -> Time {
    Time::new(millis * 1_000_000, 0)
}

/// One packet on its way: when it arrives and what it says.
#[derive(Clone, Copy)]
struct Sent {
    arrives: u64,
    number: u32,
    marker: bool,
    timestamp: u32,
    samples: u32,
}

fn sent(number: u32, arrives: u64) -> Sent {
    Sent { arrives, number, marker: false, timestamp: number.wrapping_mul(960), samples: 960 }
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Heard {
    Packet(u32),
    Again(u32),
    Lost,
    Repaired(u32),
    Silence,
}

fn number(payload: &[u8]) -> u32 {
    u32::from_be_bytes(payload[..4].try_into().unwrap())
}

/// Plays until `end` ms; pops come 10 ms after the packets of the same time.
fn play(buffer: &mut JitterBuffer, mut packets: Vec<Sent>, end: u64) -> Vec<Heard> {
    packets.sort_by_key(|p| p.arrives);
    let mut packets = packets.into_iter().peekable();
    let mut heard = Vec::new();
    for tick in 0..end / FRAME {
        let now = tick * FRAME + FRAME / 2;
        while let Some(p) = packets.next_if(|p| p.arrives <= now) {
            buffer.push(p.number as u16, p.timestamp, p.marker, p.samples, &p.number.to_be_bytes(), at(p.arrives));
        }
        heard.push(match buffer.pop(at(now)) {
            Frame::Packet { payload, offset: 0, .. } => Heard::Packet(number(payload)),
            Frame::Packet { payload, .. } => Heard::Again(number(payload)),
            Frame::Lost { next: None } => Heard::Lost,
            Frame::Lost { next: Some(next) } => Heard::Repaired(number(next)),
            Frame::Silence => Heard::Silence,
        });
    }
    heard
}

fn packets(heard: &[Heard]) -> Vec<u32> {
    heard.iter().filter_map(|h| if let Heard::Packet(n) = h { Some(*n) } else { None }).collect()
}

fn steady(count: u32) -> Vec<Sent> {
    (0..count).map(|n| sent(n, u64::from(n) * FRAME)).collect()
}

#[test]
fn a_steady_stream_plays_whole_with_the_least_delay() {
    let mut buffer = buffer();
    let heard = play(&mut buffer, steady(500), 500 * FRAME + 40);
    assert_eq!(heard[0], Heard::Silence);
    assert_eq!(packets(&heard), (0..500).collect::<Vec<_>>());
    let stats = buffer.stats();
    assert_eq!((stats.lost, stats.late, stats.concealed, stats.dropped), (0, 0, 1, 0));
    assert_eq!(stats.target, Duration::from_millis(20));
}

#[test]
fn numbers_and_timestamps_wrap_unheard() {
    let mut buffer = buffer();
    let stream = (65_000..66_000_u32)
        .map(|n| Sent {
            timestamp: (u32::MAX - 300_000).wrapping_add((n - 65_000) * 960),
            ..sent(n, u64::from(n - 65_000) * FRAME)
        })
        .collect();
    let heard = play(&mut buffer, stream, 1_000 * FRAME + 20);
    assert_eq!(packets(&heard), (65_000..66_000).collect::<Vec<_>>());
    assert_eq!(buffer.stats().lost, 0);
}

#[test]
fn jitter_of_80_ms_raises_the_delay_until_nearly_nothing_is_made_up() {
    let mut random = Random::from_number(7);
    let mut buffer = buffer();
    let stream = (0..3_000).map(|n| sent(n, u64::from(n) * FRAME + random.below(81))).collect();
    let heard = play(&mut buffer, stream, 3_000 * FRAME);
    let made_up = |part: &[Heard]| part.iter().filter(|h| !matches!(h, Heard::Packet(_))).count();
    assert!(made_up(&heard[1_500..]) < 30, "{}", made_up(&heard[1_500..]));
    let target = buffer.stats().target;
    assert!(target >= Duration::from_millis(65) && target <= Duration::from_millis(90), "{target:?}");
    let played = packets(&heard);
    assert!(played.windows(2).all(|pair| pair[0] < pair[1]), "never backwards");
    assert!(played.len() > 2_900, "{}", played.len());
}

#[test]
fn a_calm_network_brings_the_delay_back() {
    let mut random = Random::from_number(8);
    let mut buffer = buffer();
    let stream =
        (0..6_000).map(|n| sent(n, u64::from(n) * FRAME + if n < 500 { random.below(150) } else { 0 })).collect();
    let heard = play(&mut buffer, stream, 6_000 * FRAME);
    let behind = heard.iter().rposition(|h| matches!(h, Heard::Packet(_))).unwrap() as i64
        - i64::from(*packets(&heard).last().unwrap());
    assert!(behind <= 4, "{behind} frames behind");
    assert_eq!(buffer.stats().target, Duration::from_millis(20));
}

#[test]
fn reordered_packets_play_in_order() {
    let mut buffer = buffer();
    let mut stream = steady(300);
    // Every tenth is overtaken by the one after it; a first packet too.
    for n in (0..290).step_by(10) {
        stream[n].arrives += FRAME + 5;
    }
    let heard = play(&mut buffer, stream, 302 * FRAME);
    let played = packets(&heard);
    assert!(played.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(played.len() >= 296, "{}", played.len());
}

#[test]
fn losses_are_repaired_from_the_packet_after_them() {
    let mut random = Random::from_number(3);
    let mut buffer = buffer();
    let stream: Vec<_> = steady(2_000).into_iter().filter(|p| p.number == 0 || random.below(10) >= 3).collect();
    let arrived: Vec<_> = stream.iter().map(|p| p.number).collect();
    let last = *arrived.last().unwrap();
    let heard = play(&mut buffer, stream, u64::from(last) * FRAME + 60);
    assert_eq!(packets(&heard), arrived, "what arrived is played");
    // A frame per packet that was sent, in step with the sender from the first to the last.
    let begin = heard.iter().position(|h| *h == Heard::Packet(0)).unwrap();
    let end = heard.iter().position(|h| *h == Heard::Packet(last)).unwrap();
    assert_eq!(end - begin, last as usize);
    let stats = buffer.stats();
    assert_eq!(stats.lost, u64::from(last) + 1 - arrived.len() as u64);
    let repaired = heard.iter().filter(|h| matches!(h, Heard::Repaired(_))).count();
    assert!(repaired > 200, "{repaired}");
}

/// Packets come so that at its turn the one after a lost one is sometimes there and sometimes not.
#[test]
fn while_packets_are_lost_the_one_after_is_waited_for() {
    let mut random = Random::from_number(9);
    let mut buffer = buffer();
    let mut lost = [false; 3_000];
    let stream: Vec<_> = (0..3_000_u32)
        .filter_map(|n| {
            let gone = n > 0 && random.below(100) < 3;
            lost[n as usize] = gone;
            let late = if n == 0 { 0 } else { random.below(5) };
            (!gone).then(|| sent(n, u64::from(n) * FRAME + 8 + late))
        })
        .collect();
    let arrived: Vec<_> = stream.iter().map(|p| p.number).collect();
    let heard = play(&mut buffer, stream, 3_000 * FRAME);
    assert!(packets(&heard).len() + 5 > arrived.len(), "what arrived is played");
    let repaired = heard.iter().filter(|h| matches!(h, Heard::Repaired(_))).count();
    let alone = lost.windows(2).filter(|pair| pair[0] && !pair[1]).count();
    assert!(repaired + 3 > alone, "{repaired} of {alone}");
    assert!(buffer.stats().target <= Duration::from_millis(50), "{:?}", buffer.stats());
}

#[test]
fn an_outage_of_ten_seconds_is_silence_and_then_goes_on() {
    let mut buffer = buffer();
    let stream = steady(1_000).into_iter().filter(|p| !(200..700).contains(&p.number)).collect();
    let heard = play(&mut buffer, stream, 1_000 * FRAME + 40);
    assert_eq!(heard.iter().filter(|h| matches!(h, Heard::Lost | Heard::Repaired(_))).count(), 5 + 1);
    let played = packets(&heard);
    assert_eq!(played.len(), 500);
    assert_eq!(heard[heard.len() - 3..][0], Heard::Packet(998));
}

#[test]
fn a_pause_without_packets_is_silence_and_no_loss() {
    let mut buffer = buffer();
    // A last tiny packet announces the pause; the timestamps follow the clock.
    let mut stream: Vec<_> = steady(100);
    stream.extend((0..100).map(|n| Sent {
        marker: n == 0,
        timestamp: (600 + n) * 960,
        ..sent(100 + n, u64::from(600 + n) * FRAME)
    }));
    for p in stream {
        let bytes: &[u8] = if p.number == 99 { &[0x78] } else { &[1, 2, 3, 4] };
        buffer.push(p.number as u16, p.timestamp, p.marker, p.samples, bytes, at(p.arrives));
        if p.number == 99 {
            let mut silent = 0;
            for tick in 99..590 {
                silent += u32::from(buffer.pop(at(tick * FRAME + 10)) == Frame::Silence);
            }
            assert_eq!(silent, 491 - 2, "two packets were left to play");
        } else {
            buffer.pop(at(p.arrives + 10));
        }
    }
    let stats = buffer.stats();
    assert_eq!((stats.lost, stats.concealed), (0, 0));
}

#[test]
fn long_packets_play_for_their_length() {
    for (frames, length) in [(2_u32, 1_920), (3, 2_880)] {
        let mut buffer = buffer();
        let stream = (0..100)
            .filter(|n| n % 10 != 5)
            .map(|n| Sent { timestamp: n * length, samples: length, ..sent(n, u64::from(n * frames) * FRAME) })
            .collect();
        let heard = play(&mut buffer, stream, u64::from(100 * frames) * FRAME);
        let first = heard.iter().position(|h| *h == Heard::Packet(0)).unwrap();
        assert_eq!(heard[first + 1], Heard::Again(0));
        let fifth = &heard[first + 5 * frames as usize..][..frames as usize];
        assert!(fifth.iter().all(|h| matches!(h, Heard::Lost | Heard::Repaired(_))), "{fifth:?}");
        assert_eq!(heard[first + 6 * frames as usize], Heard::Packet(6));
        assert_eq!(heard[first + 90 * frames as usize], Heard::Packet(90), "in step after nine losses");
        assert_eq!(buffer.stats().lost, 10);
    }
}

#[test]
fn late_and_double_packets_are_counted_and_never_played() {
    let mut buffer = buffer();
    let mut stream = steady(100);
    stream.push(sent(50, 50 * FRAME + 5));
    stream[30].arrives += 300;
    let heard = play(&mut buffer, stream, 101 * FRAME);
    assert_eq!(packets(&heard).iter().filter(|n| **n == 50).count(), 1);
    assert!(!packets(&heard).contains(&30));
    let stats = buffer.stats();
    assert_eq!((stats.duplicates, stats.late, stats.lost), (1, 1, 1));
}

#[test]
fn a_stall_is_caught_up_with() {
    let mut buffer = buffer();
    let mut stream = steady(1_000);
    for p in &mut stream[200..250] {
        p.arrives = 250 * FRAME;
    }
    let heard = play(&mut buffer, stream, 1_000 * FRAME + 40);
    let last = heard.iter().rposition(|h| matches!(h, Heard::Packet(_))).unwrap();
    let Heard::Packet(number) = heard[last] else { unreachable!() };
    assert!(last as u32 - number <= 14, "{} frames behind", last as u32 - number);
    assert!(buffer.stats().dropped > 30);
}

#[test]
fn delay_that_is_not_needed_is_spare() {
    // Up to 9 ms late, and every so often 50: what the buffer grows by is needed again only if that is often.
    let behind = |often: usize, takes: bool| {
        let mut random = Random::from_number(5);
        let mut stream = steady(2_000);
        stream.iter_mut().for_each(|p| p.arrives += random.below(10));
        for first in (200..1_900).step_by(often) {
            for (late, p) in [50, 30, 10].into_iter().zip(&mut stream[first..]) {
                p.arrives = u64::from(p.number) * FRAME + late;
            }
        }
        let mut buffer = buffer();
        let mut packets = stream.into_iter().peekable();
        let mut behind = Vec::new();
        for tick in 0..2_000 {
            let now = at(tick * FRAME + FRAME / 2);
            while let Some(p) = packets.next_if(|p| at(p.arrives) <= now) {
                buffer.push(p.number as u16, p.timestamp, p.marker, p.samples, &[1, 2, 3], at(p.arrives));
            }
            if let Frame::Packet { timestamp, .. } = buffer.pop(now) {
                behind.push(tick as u32 - timestamp / 960);
            }
            if takes && buffer.has_spare(now) {
                assert!(matches!(buffer.pop(now), Frame::Packet { .. }), "it is there");
            }
        }
        (behind[100], behind[300], *behind.last().unwrap(), buffer.stats().concealed)
    };
    let (before, after, last, _) = behind(2_000, false);
    assert_eq!((after, last), (before + 1, before + 1), "who does not take it hears all later");
    let (_, after, last, concealed) = behind(2_000, true);
    assert_eq!((after, last), (before, before), "and who does hears it in time");
    assert!(concealed <= 4, "{concealed}");
    let (_, _, last, often) = behind(60, true);
    assert_eq!(last, before + 1, "where two of a hundred come late it stays");
    assert!(often < 28 * 2, "{often} frames of 28 such moments are made up");
}

#[test]
fn another_source_begins_at_once() {
    let mut buffer = buffer();
    play(&mut buffer, steady(50), 50 * FRAME);
    buffer.reset();
    assert!(buffer.is_empty());
    assert_eq!(buffer.depth_duration(), Duration::ZERO);
    buffer.push(40_000, 7, true, 960, &[9; 4], at(2_000));
    assert_eq!(buffer.depth_duration(), Duration::from_millis(20));
    assert_eq!(buffer.pop(at(2_010)), Frame::Silence);
    assert!(matches!(buffer.pop(at(2_030)), Frame::Packet { timestamp: 7, .. }));
    assert!(buffer.is_empty());
}

#[test]
fn a_stream_that_begins_anew_without_a_word_is_believed_at_its_second_packet() {
    let mut buffer = buffer();
    let mut stream = steady(50);
    stream.extend((0..50).map(|n| Sent { timestamp: n * 960, ..sent(40_000 + n, u64::from(50 + n) * FRAME) }));
    let heard = play(&mut buffer, stream, 101 * FRAME);
    assert_eq!(packets(&heard).last(), Some(&40_049));
    assert_eq!(packets(&heard).iter().filter(|n| **n >= 40_000).count(), 49);
}

#[test]
fn whatever_comes_it_neither_panics_nor_grows() {
    let mut random = Random::from_number(99);
    let mut buffer = buffer();
    let long = [0; 2_000];
    for step in 0..200_000_u64 {
        let now = at(step * 7 + random.below(40));
        let bits = random.u64();
        let payload = &long[..usize::try_from(random.below(1_400)).unwrap()];
        let sequence = if bits & 3 == 0 { bits as u16 } else { (step as u16).wrapping_add((bits >> 60) as u16) };
        let timestamp = if bits & 12 == 0 { (bits >> 20) as u32 } else { (step as u32).wrapping_mul(960) };
        let samples = if bits & 48 == 0 { (bits >> 30) as u32 } else { 960 };
        buffer.push(sequence, timestamp, bits & 64 == 0, samples, payload, now);
        if bits & 256 == 0 {
            buffer.pop(now);
        }
        assert!(buffer.stats().target <= Duration::from_millis(200));
    }
}

#[test]
fn of_what_came_before_anybody_listened_no_more_is_played_than_the_delay_needs() {
    for (listens, first_tick) in (0..20).flat_map(|listens| (0..20).map(move |after| (listens, listens + after))) {
        let mut buffer = buffer();
        let push = |buffer: &mut JitterBuffer, n: u32, millis: u64| {
            buffer.push(n as u16, n * 960, false, 960, &n.to_be_bytes(), at(millis));
        };
        // Two that came before, and one every 20 ms.
        push(&mut buffer, 1, 80);
        push(&mut buffer, 2, 100);
        buffer.begin(at(100 + listens));
        let tick = 100 + first_tick;
        if tick >= 120 {
            push(&mut buffer, 3, 120);
        }
        let Frame::Packet { arrived, .. } = buffer.pop(at(tick)) else { panic!("{listens} {first_tick}") };
        let waited = tick - arrived.nanos / 1_000_000;
        assert!((20..40).contains(&waited), "{listens} {first_tick}: {waited}");
    }
    // What came since is played from its beginning.
    let mut kept = buffer();
    kept.begin(at(90));
    for n in 0..3 {
        kept.push(n as u16, n * 960, false, 960, &n.to_be_bytes(), at(100 + u64::from(n) * 20));
    }
    let Frame::Packet { payload, .. } = kept.pop(at(155)) else { panic!("nothing is played") };
    assert_eq!(number(payload), 0);
}

#[test]
fn a_packet_is_late_only_where_frames_were_made_up_and_nothing_was_lost() {
    let mut buffer = buffer();
    let mut late = Vec::new();
    let mut packets: Vec<_> = (0..100).map(|n| sent(n, u64::from(n) * FRAME)).collect();
    // Three that come with the next, one that overtakes another, two that are lost while nothing comes,
    // and one that is lost.
    (20..23).for_each(|n| packets[n].arrives = 23 * FRAME);
    packets[40].arrives = 41 * FRAME + 1;
    packets[60].arrives = 63 * FRAME;
    packets.retain(|packet| ![61, 62, 80].contains(&packet.number));
    packets.sort_by_key(|packet| packet.arrives);
    let mut packets = packets.into_iter().peekable();
    for tick in 0..120 {
        let now = tick * FRAME + FRAME / 2;
        while let Some(p) = packets.next_if(|p| p.arrives <= now) {
            buffer.push(p.number as u16, p.timestamp, p.marker, p.samples, &p.number.to_be_bytes(), at(p.arrives));
        }
        if let Frame::Packet { payload, late: true, .. } = buffer.pop(at(now)) {
            late.push(number(payload));
        }
    }
    assert_eq!(late, [20, 60]);
}
