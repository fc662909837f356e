//! The control side of one WebRTC participant.

use super::{
    audience::Audience,
    offering::Offering,
    publishing::Publishing,
    sections::{Sections, Want},
};
use crate::port::ConnectionId;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use trunkline_call::media::peer::{PeerKey, Side};
use trunkline_room::{
    Kind, ParticipantInfo, Permission,
    data::Sender,
    signal::{Connect, LeaveAction, Transports},
};
use trunkline_types::{ParticipantSid, RoomSid, Time, TrackSid, VoiceCodec};

/// From the join until media must be up.
const JOIN_TIMEOUT: Duration = Duration::from_secs(60);
/// A subscription that has no section for so long is worth a line in the log.
pub(super) const UNBOUND: Duration = Duration::from_secs(3);

/// See the module.
pub(super) struct Session {
    pub(super) sid: ParticipantSid,
    pub(super) room: RoomSid,
    pub(super) room_name: String,
    pub(super) identity: String,
    pub(super) kind: Kind,
    pub(super) permission: Permission,
    pub(super) protocol: i32,
    pub(super) transports: Transports,
    pub(super) auto_subscribe: bool,
    pub(super) joined: Time,
    /// `None` while the client is without signalling.
    pub(super) connection: Option<ConnectionId>,
    /// What its room speaks.
    pub(super) codec: VoiceCodec,
    /// Since when it is without.
    pub(super) cut: Option<Time>,
    /// Media has been up.
    pub(super) active: bool,
    /// Media is gone; at this time the participant is.
    pub(super) lost: Option<Time>,
    /// The client has closed its media; until this time it may say that it leaves.
    pub(super) closed: Option<Time>,
    /// What its client is told when the participant has left.
    pub(super) parting: Parting,
    /// For a test scenario: the next resumed connection is cut.
    pub(super) cut_on_resume: Option<Cut>,
    /// Descriptions name our candidates over TCP alone to it.
    pub(super) tcp_alone: bool,
    /// For a test scenario: until when it is said to speak.
    pub(super) feigned: Option<Time>,
    pub(super) publishing: Publishing,
    /// Who may hear and see what it publishes.
    pub(super) audience: Audience,
    /// Tracks it was told it may not subscribe to.
    pub(super) barred: BTreeSet<TrackSid>,
    /// It knows how good everybody's connection is.
    pub(super) knows_quality: bool,
    /// Since when requests about subscriptions are counted, and how many there were.
    pub(super) rate: (Time, u32),
    /// What the client asked for, against the default.
    pub(super) choices: BTreeMap<TrackSid, bool>,
    pub(super) wanted: BTreeMap<TrackSid, Want>,
    /// Of the only connection.
    pub(super) sections: Sections,
    /// We have asked the client to offer again.
    pub(super) asked: Option<Asked>,
    /// When we did so last.
    pub(super) last_asked: Option<Time>,
    /// When we shall do so again.
    pub(super) ask_at: Option<Time>,
    /// Of the subscriber connection.
    pub(super) offering: Offering,
    pub(super) data: DataState,
}

/// A request for more sections that is under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) audios: u32,
    pub(super) videos: u32,
    pub(super) tries: u32,
    pub(super) again_at: Time,
}

/// When a resumed connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Before anything is said.
    Silently,
    /// Once everything is said.
    AfterWords,
}

/// What a client is told when its participant has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parting {
    /// A `Leave` with this action.
    Tell(LeaveAction),
    /// Nothing: it knows.
    Quiet,
}

/// Its data channels.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DataState {
    pub(super) reliable_open: bool,
    pub(super) lossy_open: bool,
    /// The last number of its own reliable packets.
    pub(super) last_sequence: u32,
}

impl Session {
    pub(super) fn new(
        connection: ConnectionId,
        connect: &Connect,
        room: RoomSid,
        participant: &ParticipantInfo,
        now: Time,
    ) -> Self {
        Self {
            sid: participant.sid.clone(),
            room,
            room_name: connect.room.clone(),
            identity: participant.identity.clone(),
            kind: participant.kind,
            permission: participant.permission,
            protocol: connect.join.protocol,
            transports: connect.transports,
            auto_subscribe: connect.auto_subscribe,
            joined: now,
            connection: Some(connection),
            codec: VoiceCodec::Opus,
            cut: None,
            active: false,
            lost: None,
            closed: None,
            parting: Parting::Tell(LeaveAction::Disconnect),
            cut_on_resume: None,
            tcp_alone: false,
            feigned: None,
            publishing: Publishing::default(),
            audience: Audience::default(),
            barred: BTreeSet::new(),
            knows_quality: false,
            rate: (now, 0),
            choices: BTreeMap::new(),
            wanted: BTreeMap::new(),
            sections: Sections::default(),
            asked: None,
            last_asked: None,
            ask_at: None,
            offering: Offering::default(),
            data: DataState::default(),
        }
    }

    pub(super) fn peer(&self, side: Side) -> PeerKey {
        PeerKey { participant: self.sid.clone(), side }
    }

    /// The connection that makes the participant ACTIVE.
    pub(super) fn primary(&self) -> Side {
        if self.subscriber_primary() { Side::Subscriber } else { Side::Publisher }
    }

    /// The connection on which it receives data. With two it sends on the other one.
    pub(super) fn hears_data_on(&self) -> Side {
        match self.transports {
            Transports::Single => Side::Publisher,
            Transports::Dual => Side::Subscriber,
        }
    }

    pub(super) fn subscriber_primary(&self) -> bool {
        self.transports == Transports::Dual && self.offering.is_primary
    }

    pub(super) fn sender(&self) -> Sender<'_> {
        Sender {
            sid: &self.sid,
            identity: &self.identity,
            hidden: self.permission.hidden,
            agent: self.permission.agent || self.kind == Kind::Agent,
        }
    }

    /// Whether the track has a section that carries it, or will.
    pub(super) fn is_bound(&self, track: &TrackSid) -> bool {
        match self.transports {
            Transports::Single => self.sections.mid_of(track).is_some(),
            Transports::Dual => self.offering.is_bound(track),
        }
    }

    pub(super) fn join_deadline(&self) -> Option<Time> {
        (!self.active).then(|| self.joined + JOIN_TIMEOUT)
    }

    /// Wanted tracks that have waited for a section for too long, and nobody was told of.
    pub(super) fn unbound(&self) -> impl Iterator<Item = (&TrackSid, Time)> {
        self.wanted
            .iter()
            .filter(|(track, want)| self.active && !want.warned && !self.is_bound(track))
            .map(|(track, want)| (track, want.since + UNBOUND))
    }

    /// When something is to be done for it.
    pub(super) fn deadline(&self) -> Option<Time> {
        let unbound = self.unbound().map(|(_, at)| at).min();
        [
            self.join_deadline(),
            self.lost,
            self.closed,
            self.asked.map(|a| a.again_at),
            self.ask_at,
            self.publishing.deadline(),
            self.offering.deadline(),
            self.feigned,
            unbound,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
