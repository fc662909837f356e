//! What is measured of a call's audio on its way through the thread, in virtual time.

use super::{alone::parts, *};
use crate::{
    downlink::Downlink,
    track::{Origin, Subscriber, Track},
};
use std::{
    net::UdpSocket as StdUdpSocket,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::sync_channel,
    },
};
use trunkline_audio::opus::{Encoder, EncoderConfig};
use trunkline_call::media::{
    Codec, Flowing, LegMedia,
    peer::{PeerPlan, TrackOrigin},
    timings::{SAMPLED, Timings},
};
use trunkline_rtp::{HEADER_BYTES, write_header};
use trunkline_types::{LegId, Summary, VoiceCodec};

const TICK: Duration = Duration::from_millis(20);
/// Packets of 20 ms, both ways: eleven seconds.
const PACKETS: u64 = 550;
/// What a turn of the loop takes.
const WORK: Duration = Duration::from_micros(300);
/// From the arrival of a packet of WebRTC to the next time its room's turn comes.
const BEFORE_TURN: Duration = Duration::from_millis(5);

/// Of the codec, whichever it is.
const PAYLOAD_TYPE: u8 = 0;

/// A thread that a test drives, with a clock that the test sets.
struct Driven {
    thread: Thread,
    nanos: Arc<AtomicU64>,
    now: Time,
    leg: LegKey,
    room: RoomSid,
    phone: StdUdpSocket,
    address: SocketAddr,
}

impl Driven {
    fn new(ptime: Duration) -> Self {
        Self::speaking(Codec::Pcmu, ptime)
    }

    fn speaking(codec: Codec, ptime: Duration) -> Self {
        let nanos = Arc::new(AtomicU64::new(0));
        let read = nanos.clone();
        let clock = Arc::new(move || Time::new(read.load(Ordering::Relaxed), 0));
        let parts = Parts { index: 3, clock, ..parts() };
        let (thread, ..) = Thread::new(&parts, sync_channel(1).1).unwrap();
        let leg = LegKey { call: "SCL_latency".into(), leg: LegId(1) };
        let phone = StdUdpSocket::bind("127.0.0.1:0").unwrap();
        let address = phone.local_addr().unwrap();
        let mut driven = Self { thread, nanos, now: Time::default(), leg, room: "RM_latency".into(), phone, address };
        driven.open(codec, ptime);
        driven
    }

    /// A leg whose track somebody hears, and a participant's track that it hears.
    fn open(&mut self, codec: Codec, ptime: Duration) {
        let (leg, room) = (self.leg.clone(), self.room.clone());
        let media = LegMedia {
            remote: Some(self.phone.local_addr().unwrap()),
            remote_rtcp: None,
            codec,
            payload_type: PAYLOAD_TYPE,
            telephone_event: Some(101),
            telephone_event_clock: 8_000,
            crypto: None,
            ptime,
            flowing: Flowing { send: true, receive: true },
        };
        let (initial_timeout, timeout) = (Duration::ZERO, Duration::ZERO);
        let local = "127.0.0.1".parse().unwrap();
        let origin = TrackOrigin::Leg(leg.clone());
        for plan in [
            MediaPlan::Open { leg: leg.clone(), room: room.clone(), local },
            MediaPlan::Negotiated { leg: leg.clone(), media },
            MediaPlan::Start { leg, initial_timeout, timeout },
            MediaPlan::Peer(PeerPlan::Publish { room: room.clone(), track: "TR_caller".into(), origin }),
        ] {
            self.thread.plan(plan, self.now);
        }
        let opened = self.thread.facts.iter().find_map(|fact| match fact {
            MediaFact::Opened { rtp, .. } => Some(*rtp),
            _ => None,
        });
        self.address = opened.unwrap();
        let held = self.thread.rooms.named(&room).unwrap();
        // Nobody is behind it: what would be sent is dropped after all the work.
        held.tracks.iter_mut().for_each(|(_, track)| track.subscribers.push(Subscriber { peer: 9, section: 0 }));
        let mut spoken = Track::new("TR_anna".into(), Origin::Peer { peer: 9, video: false }, 77);
        spoken.downlink = Downlink::new(VoiceCodec::Opus, 8_000, Jitter::default()).map(Box::new);
        held.tracks.insert(spoken);
    }

    fn hear(&mut self, n: u64, payload: &[u8]) {
        self.hear_at(n, n * 960, payload);
    }

    fn hear_at(&mut self, n: u64, timestamp: u64, payload: &[u8]) {
        let now = Time::new((self.now + TICK.saturating_sub(BEFORE_TURN)).nanos, 0);
        let room = self.thread.rooms.named(&self.room).unwrap();
        let heard = room.tracks.iter_mut().find_map(|(_, track)| track.downlink.as_mut()).unwrap();
        heard.push(n as u16, timestamp as u32, n == 0, payload, now);
    }

    /// 20 ms with a packet from the phone and one from the participant.
    fn tick(&mut self, n: u64, opus: &[u8]) {
        self.hear(n, opus);
        self.say(n);
        self.turn();
    }

    /// 20 ms with a packet from the phone.
    fn say(&mut self, n: u64) {
        self.now = self.now + TICK;
        let mut packet = [0x55; HEADER_BYTES + 160];
        packet[..HEADER_BYTES].copy_from_slice(&write_header(n == 0, 0, n as u16, n as u32 * 160, 7));
        self.phone.send_to(&packet, self.address).unwrap();
        self.thread.ready.push(Token(self.index() * 2));
    }

    fn index(&self) -> usize {
        self.thread.leg_index[&self.leg]
    }

    fn turn(&mut self) {
        self.nanos.store(self.now.nanos, Ordering::Relaxed);
        self.thread.stages.begin(self.now);
        self.thread.receive_legs(self.now);
        self.thread.tick_rooms(self.now);
        self.nanos.store((self.now + WORK).nanos, Ordering::Relaxed);
        self.thread.flush(self.now);
    }

    fn close(mut self) -> (Vec<MediaFact>, LegStats, Timings) {
        self.thread.plan(MediaPlan::Close { leg: self.leg.clone() }, self.now);
        let facts = std::mem::take(&mut self.thread.facts);
        let stats = facts.iter().find_map(|fact| match fact {
            MediaFact::Closed { stats, .. } => Some(stats.clone()),
            _ => None,
        });
        let timings = facts.iter().rev().find_map(|fact| match fact {
            MediaFact::Timings { thread: 3, timings } => Some(**timings),
            _ => None,
        });
        (facts, stats.unwrap(), timings.unwrap())
    }
}

fn opus() -> Vec<u8> {
    opus_of(20)
}

/// A packet of so many milliseconds.
fn opus_of(millis: usize) -> Vec<u8> {
    let mut encoder = Encoder::new(EncoderConfig { rate: 48_000, ..EncoderConfig::default() }).unwrap();
    let pcm: Vec<i16> = (0..48 * millis).map(|n| if n % 80 < 40 { 8_000 } else { -8_000 }).collect();
    let mut payload = vec![0; 1_275];
    let length = encoder.encode(&pcm, &mut payload).unwrap();
    payload.truncate(length);
    payload
}

#[test]
fn a_calls_audio_is_measured_both_ways() {
    let (mut driven, opus) = (Driven::new(TICK), opus());
    (0..PACKETS).for_each(|n| driven.tick(n, &opus));
    let (facts, stats, timings) = driven.close();
    let up = stats.audio_up;
    assert_eq!(up.count, PACKETS);
    assert!((300..=375).contains(&up.p50_us) && up.max_us == 300, "{up:?}");
    // The buffer aims at 20 ms or more, and a packet comes 5 ms before the turn of its room.
    let down = stats.audio_down;
    assert!(down.count > PACKETS - 20 && down.count <= PACKETS, "{down:?}");
    assert!((20_000..=65_000).contains(&down.p50_us) && (25_300..=65_000).contains(&down.max_us), "{down:?}");
    assert_eq!((timings.audio_up.summary(), timings.audio_down.summary()), (up, down));
    // Ten seconds have passed once.
    let told: Vec<(Summary, Summary)> = facts
        .iter()
        .filter_map(|fact| match fact {
            MediaFact::Latency { up, down, .. } => Some((*up, *down)),
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].0.count >= 499 && told[0].1.count > 480, "{told:?}");
    for stage in [Stage::Receive, Stage::Decode, Stage::Mix, Stage::Encode, Stage::RtcOut, Stage::Send] {
        let turns = PACKETS.div_ceil(u64::from(SAMPLED));
        let times = timings.stages[stage as usize].count();
        assert!(times >= turns, "{stage:?} was measured {times} times in {turns} turns");
    }
    assert_eq!(timings.stages[Stage::Srtp as usize].count(), 0);
}

#[test]
fn the_delay_that_is_aimed_at_is_told_for_each_packet() {
    for codec in [Codec::Pcmu, Codec::Opus] {
        let (mut driven, opus) = (Driven::speaking(codec, TICK), opus());
        (0..PACKETS).for_each(|n| driven.tick(n, &opus));
        let (_, stats, timings) = driven.close();
        let targets = timings.jitter_target.summary();
        assert_eq!(targets.count, stats.audio_down.count, "{codec:?}");
        assert_eq!((targets.p50_us, targets.max_us), (20_000, 20_000), "{codec:?}");
    }
}

#[test]
fn a_participant_is_heard_as_soon_as_the_jitter_buffer_allows_whenever_his_packets_come() {
    for codec in [Codec::Pcmu, Codec::Opus] {
        for phase in [0, 3, 7, 12, 19] {
            let (mut driven, opus) = (Driven::speaking(codec, TICK), opus());
            driven.phone.set_nonblocking(true).unwrap();
            let (mut heard, mut bytes) = (Vec::new(), [0; 1_500]);
            let milli = Duration::from_millis(1);
            for n in 0..8_000 {
                driven.now = driven.now + milli;
                if n % 20 == phase {
                    let said = n / 20;
                    let room = driven.thread.rooms.named(&driven.room).unwrap();
                    let track = room.tracks.iter_mut().find_map(|(_, track)| track.downlink.as_mut()).unwrap();
                    track.push(said as u16, said as u32 * 960, said == 0, &opus, driven.now);
                }
                driven.turn();
                while driven.phone.recv(&mut bytes).is_ok() {
                    heard.push(n);
                }
            }
            // The target is 20 ms: a packet is due when the next one comes.
            let waited = (heard.last().unwrap() + 20 - phase) % 20;
            assert!(waited <= 5, "{codec:?}, {phase} ms: heard {waited} ms after the target");
            let apart: Vec<_> = heard.windows(2).map(|pair| pair[1] - pair[0]).filter(|apart| *apart != 20).collect();
            assert!(apart.len() <= 2 && apart.iter().all(|apart| *apart < 20), "{codec:?}, {phase} ms: {apart:?}");
        }
    }
}

#[test]
fn a_thread_that_is_late_takes_nothing_for_late_but_itself() {
    for codec in [Codec::Pcmu, Codec::Opus] {
        let (mut driven, opus) = (Driven::speaking(codec, TICK), opus());
        (0..300).for_each(|n| driven.tick(n, &opus));
        let waits = |driven: &mut Driven| {
            let room = driven.thread.rooms.named(&driven.room).unwrap();
            let downlink = room.tracks.iter_mut().find_map(|(_, track)| track.downlink.as_mut()).unwrap();
            (downlink.waits(), downlink.left_out())
        };
        let before = waits(&mut driven);
        // Every second, for 100 ms, it does nothing.
        for n in 300..600 {
            driven.hear(n, &opus);
            driven.say(n);
            if n % 50 < 45 {
                driven.turn();
            }
        }
        driven.turn();
        assert_eq!(waits(&mut driven), before, "{codec:?}");
    }
}

#[test]
fn packets_of_10_ms_all_reach_a_phone_that_speaks_their_codec() {
    let (mut driven, opus) = (Driven::speaking(Codec::Opus, TICK), opus_of(10));
    driven.phone.set_nonblocking(true).unwrap();
    let mut heard = Vec::new();
    for n in 0..200 {
        driven.hear_at(2 * n, 2 * n * 480, &opus);
        driven.hear_at(2 * n + 1, (2 * n + 1) * 480, &opus);
        driven.say(n);
        driven.turn();
        let mut bytes = [0; 1_500];
        while let Ok(length) = driven.phone.recv(&mut bytes) {
            if bytes[1] & 0x7f == PAYLOAD_TYPE && bytes[HEADER_BYTES..length] == opus {
                heard.push(u32::from_be_bytes(bytes[4..8].try_into().unwrap()));
            }
        }
    }
    // A few wait in the buffer.
    assert!((390..=400).contains(&heard.len()), "{} of 400", heard.len());
    assert!(heard.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == 480), "{heard:?}");
}

#[test]
fn what_waits_for_a_longer_packet_has_waited() {
    let (mut driven, opus) = (Driven::new(TICK * 3), opus());
    (0..PACKETS).for_each(|n| driven.tick(n, &opus));
    let down = driven.close().1.audio_down;
    assert!(down.count.abs_diff(PACKETS / 3) < 10, "{down:?}");
    assert!((60_000..=125_000).contains(&down.p50_us), "{down:?}");
}

#[test]
fn a_phone_without_a_listener_measures_nothing() {
    let (mut driven, opus) = (Driven::new(TICK), opus());
    let room = driven.thread.rooms.named(&driven.room).unwrap();
    room.tracks.iter_mut().for_each(|(_, track)| track.subscribers.clear());
    (0..50).for_each(|n| driven.tick(n, &opus));
    assert_eq!(driven.close().1.audio_up, Summary::default());
}

#[test]
fn a_thread_that_stays_late_leaves_out_what_phones_say_and_the_room_hears_a_gap() {
    let (mut driven, opus) = (Driven::new(TICK), opus());
    (0..50).for_each(|n| driven.tick(n, &opus));
    let late = Duration::from_millis(160);
    for ago in [300, 0] {
        let now = Time::new(driven.now.nanos - ago * 1_000_000, 0);
        driven.thread.busy.is_behind(late, now);
    }
    // The room does not tick.
    for n in 50..55 {
        driven.say(n);
        driven.thread.receive_legs(driven.now);
    }
    assert_eq!(driven.thread.legs[driven.index()].gap, 5 * 160);
    // It does again, and is on time from the second one on.
    (55..60).for_each(|n| driven.tick(n, &opus));
    assert_eq!(driven.thread.legs[driven.index()].gap, 0);
    let (_, stats, _) = driven.close();
    assert_eq!(stats.audio_up.count, 60 - 7);
}

#[test]
fn the_sockets_have_their_turn_between_many_rooms() {
    let (mut thread, ..) = Thread::new(&parts(), sync_channel(1).1).unwrap();
    for n in 0..600 {
        thread.room(&RoomSid::from(format!("RM_{n}").as_str()), Time::default());
    }
    let now = Time::default() + TICK;
    let turns: Vec<bool> = (0..3).map(|_| thread.tick_rooms(now)).collect();
    assert_eq!((turns, thread.tick_rooms(now)), (vec![true, true, false], false));
    // A room that is gone while it waits for its turn does not tick in the place of another.
    let now = now + TICK;
    assert!(thread.tick_rooms(now));
    let waiting = thread.ticking.len();
    let (place, _) = *thread.ticking.last().unwrap();
    thread.forget_if_empty(place);
    assert_eq!(thread.ticking.len(), waiting - 1);
}

#[test]
fn what_the_kernel_drops_of_a_phone_is_counted_once() {
    let mut driven = Driven::new(TICK);
    let leg = driven.thread.legs.get_mut(driven.index()).unwrap();
    socket2::SockRef::from(&leg.rtp).set_recv_buffer_size(16 * 1_024).unwrap();
    let phone = driven.phone.try_clone().unwrap();
    let flood = |to| (0..500).for_each(|_| assert_eq!(phone.send_to(&[0; 1_000], to).unwrap(), 1_000));
    flood(driven.address);
    driven.turn();
    assert_eq!(driven.thread.dropped, 0, "it is not time to ask");
    (0..PACKETS).for_each(|n| driven.say(n));
    driven.turn();
    let dropped = driven.thread.dropped;
    assert!(dropped > 0);
    // And those of the seconds after, when it hangs up.
    flood(driven.address);
    driven.thread.plan(MediaPlan::Close { leg: driven.leg.clone() }, driven.now);
    assert!((dropped + 1..=dropped + 500).contains(&driven.thread.dropped));
}
