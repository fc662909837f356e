//! What the control plane asks of the media threads, and what they tell it.
//!
//! Control plane and data plane meet in [`MediaPlan`] and [`MediaFact`] only.

pub mod peer;
pub mod timings;

use peer::{PeerFact, PeerPlan};
use serde::{Deserialize, Serialize};
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use timings::Timings;
use trunkline_types::{CallId, LegId, ParticipantSid, RoomSid, Summary};

/// A SIP leg as media knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LegKey {
    /// The call.
    pub call: CallId,
    /// Which of its SIP legs.
    pub leg: LegId,
}

/// An audio codec of the SIP leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Codec {
    /// G.711 μ-law, 8 kHz.
    Pcmu,
    /// G.711 A-law, 8 kHz.
    Pcma,
    /// G.722, 16 kHz samples under an RTP clock of 8 kHz (RFC 3551 §4.5.2).
    G722,
    /// Opus, 48 kHz RTP clock (RFC 7587).
    Opus,
}

/// Which way audio flows, seen from us (RFC 3264 §8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flowing {
    /// We send.
    pub send: bool,
    /// The far end may send; while false the media timeout pauses.
    pub receive: bool,
}

/// The outcome of an offer and its answer, as far as RTP is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegMedia {
    /// Where we send RTP until the source lock knows better; `None` for a zero address.
    pub remote: Option<SocketAddr>,
    /// Where RTCP goes; `None` when it is muxed or unknown.
    pub remote_rtcp: Option<SocketAddr>,
    /// The codec both ways.
    pub codec: Codec,
    /// Its payload type.
    pub payload_type: u8,
    /// Payload type of `telephone-event`, if negotiated.
    pub telephone_event: Option<u8>,
    /// The clock of `telephone-event`, Hz.
    pub telephone_event_clock: u32,
    /// The keys of SRTP (RFC 4568); `None` for plain RTP.
    pub crypto: Option<trunkline_sdp::Crypto>,
    /// What we put into one packet: 10 to 60 ms.
    pub ptime: Duration,
    /// Directions.
    pub flowing: Flowing,
}

/// A participant that lives inside the process, dispatched by its agent name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Builtin {
    /// `trunkline.greeter`: plays a prompt once and stays.
    Greeter,
    /// `trunkline.echo`: says back what the room says.
    Echo,
}

impl Builtin {
    /// The participant that an agent name means, if it is one of ours.
    pub fn by_agent_name(name: &str) -> Option<Self> {
        match name {
            "trunkline.greeter" => Some(Self::Greeter),
            "trunkline.echo" => Some(Self::Echo),
            _ => None,
        }
    }
}

/// What can be played to the far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sound {
    /// Asks for the pin.
    EnterPin,
    /// The pin was wrong.
    WrongPin,
    /// The pin was right.
    RoomJoin,
    /// A ringing tone (ETSI: 425 Hz, 1 s on, 4 s off), without end.
    Ringing,
    /// Music for who is on hold, without end.
    HoldMusic,
}

/// What a media thread shall do. Plans for one room are carried out in order by one thread.
#[derive(Clone, Debug)]
pub enum MediaPlan {
    /// Something about WebRTC peers, tracks and data.
    Peer(PeerPlan),
    /// Open the leg's RTP and RTCP sockets on `local` and put the leg into the room. Answered by
    /// [`MediaFact::Opened`] or [`MediaFact::OpenFailed`].
    Open {
        /// The leg.
        leg: LegKey,
        /// The room whose thread carries it.
        room: RoomSid,
        /// The address to bind.
        local: IpAddr,
    },
    /// What offer and answer came to; again after each re-INVITE (which unlocks the source).
    Negotiated {
        /// The leg.
        leg: LegKey,
        /// The outcome.
        media: LegMedia,
    },
    /// The call is answered: audio of the room goes out, media timeouts are armed.
    Start {
        /// The leg.
        leg: LegKey,
        /// No packet at all within this time: [`MediaFact::Silent`].
        initial_timeout: Duration,
        /// No packet for this long later on: [`MediaFact::Silent`].
        timeout: Duration,
    },
    /// Play out what the room has already said, for at most this long, then [`MediaFact::Drained`].
    Drain {
        /// The leg.
        leg: LegKey,
        /// The bound.
        at_most: Duration,
    },
    /// Send digits as RFC 4733 events, one after the other (`w` is a pause of 500 ms).
    SendDtmf {
        /// The leg.
        leg: LegKey,
        /// `0-9*#A-Da-dw`.
        digits: String,
    },
    /// Play this to the far end in place of the room's audio, until it is over
    /// ([`MediaFact::Played`]) or something else is to be played.
    Play {
        /// The leg.
        leg: LegKey,
        /// What; `None` for the room's audio again.
        sound: Option<Sound>,
    },
    /// Let the room hear a ringing tone on the leg's track until the far end is heard or this is
    /// taken back.
    RingToRoom {
        /// The leg.
        leg: LegKey,
        /// Whether to.
        on: bool,
    },
    /// Take the leg, with its sockets and keys, into another room, which may be on another thread.
    Move {
        /// The leg.
        leg: LegKey,
        /// From here.
        from: RoomSid,
        /// To there.
        to: RoomSid,
    },
    /// Close the leg; answered by [`MediaFact::Closed`].
    Close {
        /// The leg.
        leg: LegKey,
    },
    /// Put a built-in participant into the room; answered by [`MediaFact::BuiltinReady`].
    StartBuiltin {
        /// The participant.
        participant: ParticipantSid,
        /// The room.
        room: RoomSid,
        /// Which one.
        builtin: Builtin,
    },
    /// Begin to speak: the participant's track is subscribed to.
    PlayBuiltin {
        /// The participant.
        participant: ParticipantSid,
        /// The room.
        room: RoomSid,
    },
    /// Take a built-in participant out.
    StopBuiltin {
        /// The participant.
        participant: ParticipantSid,
        /// The room.
        room: RoomSid,
    },
}

/// What a media thread has to tell.
#[derive(Clone, Debug)]
pub enum MediaFact {
    /// Something about WebRTC peers.
    Peer(PeerFact),
    /// The leg's sockets are open.
    Opened {
        /// The leg.
        leg: LegKey,
        /// The bound RTP address (RTCP is one port above).
        rtp: SocketAddr,
    },
    /// No port could be had.
    OpenFailed {
        /// The leg.
        leg: LegKey,
        /// Why, for the operator.
        why: String,
    },
    /// The first RTP packet of the locked source arrived.
    SourceLocked {
        /// The leg.
        leg: LegKey,
        /// The source.
        source: SocketAddr,
    },
    /// The media timeout passed.
    Silent {
        /// The leg.
        leg: LegKey,
    },
    /// A digit was received (RFC 4733), once per RTP timestamp.
    Dtmf {
        /// The leg.
        leg: LegKey,
        /// The event code, 0–16.
        code: u8,
        /// `0-9*#A-D`, `None` for flash and unknown events.
        digit: Option<char>,
    },
    /// The sound is played to its end.
    Played {
        /// The leg.
        leg: LegKey,
        /// Which.
        sound: Sound,
    },
    /// All digits are sent.
    DtmfSent {
        /// The leg.
        leg: LegKey,
    },
    /// What the room had said is played out, or the bound has passed.
    Drained {
        /// The leg.
        leg: LegKey,
    },
    /// The leg is closed; its final counters.
    Closed {
        /// The leg.
        leg: LegKey,
        /// The counters.
        stats: LegStats,
    },
    /// How long a leg's audio has taken so far; every ten seconds while there is audio.
    Latency {
        /// The leg.
        leg: LegKey,
        /// See [`LegStats::audio_up`].
        up: Summary,
        /// See [`LegStats::audio_down`].
        down: Summary,
    },
    /// What a thread has measured since it began; every ten seconds, and when a leg is closed.
    Timings {
        /// Which thread.
        thread: usize,
        /// What it has measured.
        timings: Box<Timings>,
    },
    /// How busy a thread was; each second.
    Load {
        /// Which thread.
        thread: usize,
        /// The share of that second in which it did not wait, 0 to 1.
        busy: f32,
        /// The time since the last report for which voices were encoded at the least complexity, for
        /// rooms were late.
        spared: Duration,
        /// The time since the last report for which rooms, or what phones say, were left out, for there
        /// was too much to do.
        left_out: Duration,
        /// Datagrams that the kernel has dropped since the thread began, for they were not read in
        /// time; those of telephones are known every ten seconds.
        dropped: u64,
    },
    /// A built-in participant can be heard from now on.
    BuiltinReady {
        /// The participant.
        participant: ParticipantSid,
        /// The room.
        room: RoomSid,
    },
}

impl MediaFact {
    /// Whether it only tells how things are, and nothing comes of it at once.
    pub fn can_wait(&self) -> bool {
        match self {
            Self::Latency { .. } | Self::Timings { .. } | Self::Load { .. } => true,
            Self::Peer(fact) => matches!(fact, PeerFact::Received { .. } | PeerFact::Speaking { .. }),
            _ => false,
        }
    }
}

/// Counters of one leg, from its opening to its end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LegStats {
    /// RTP packets received from the locked source.
    pub packets_in: u64,
    /// RTP packets sent.
    pub packets_out: u64,
    /// Payload bytes received.
    pub bytes_in: u64,
    /// Payload bytes sent.
    pub bytes_out: u64,
    /// Packets that never came, by sequence number.
    pub lost: u64,
    /// Interarrival jitter, microseconds (RFC 3550 §6.4.1).
    pub jitter_us: u64,
    /// Packets dropped because they came from another source.
    pub foreign: u64,
    /// Digits received.
    pub digits: u64,
    /// Round trip by RTCP, microseconds, if known.
    pub round_trip_us: Option<u64>,
    /// From the phone to the room: from the turn in which a datagram of the phone is read to the end
    /// of that turn, when the Opus frame it completed, or it was, has been sent to whoever hears it
    /// over WebRTC. Neither the network nor the codec's own delay is in it.
    pub audio_up: Summary,
    /// From the room to the phone: from the arrival of a packet from WebRTC to the end of the turn
    /// in which the RTP packet with its first sample is sent. What the jitter buffer holds it back,
    /// and what a packet of more than 20 ms waits to be full, is in it. Where several speak, the
    /// oldest of what a packet carries counts.
    pub audio_down: Summary,
}
