//! A room on a media thread: who is in it, and which tracks.

use crate::{
    builtin::Member,
    frame::FRAME,
    track::{Origin, Track},
};
use slab::Slab;
use std::collections::HashMap;
use trunkline_types::{ParticipantSid, RoomSid, TrackSid, VoiceCodec};

/// Frames of 20 ms between two reports of how tracks arrive: five seconds.
pub(crate) const RECEPTION_EVERY: u16 = 250;

/// Frames after which a room may tick earlier than before: a second.
pub(crate) const EARLIER_EVERY: u8 = 50;

/// See the module.
pub(crate) struct Room {
    pub(crate) sid: RoomSid,
    pub(crate) legs: Vec<usize>,
    pub(crate) builtins: HashMap<ParticipantSid, Member>,
    pub(crate) tracks: Slab<Track>,
    pub(crate) by_sid: HashMap<TrackSid, usize>,
    /// WebRTC connections.
    pub(crate) peers: usize,
    /// Samples per second of its mix: 16,000 if a phone there can hear it.
    pub(crate) rate: u32,
    /// What its WebRTC participants speak.
    pub(crate) codec: VoiceCodec,
    /// Frames until it is reported who speaks.
    pub(crate) until_report: u8,
    /// Frames until it is reported how tracks arrive.
    pub(crate) until_reception: u16,
    /// Frames until it may tick earlier.
    pub(crate) until_earlier: u8,
    /// Tracks that spoke in the last window.
    pub(crate) speakers: usize,
    /// Windows since somebody was told of them.
    pub(crate) windows_untold: u8,
}

impl Room {
    pub(crate) fn new(sid: RoomSid) -> Self {
        Self {
            sid,
            legs: Vec::with_capacity(1),
            builtins: HashMap::new(),
            tracks: Slab::with_capacity(1),
            by_sid: HashMap::new(),
            peers: 0,
            rate: 8_000,
            codec: VoiceCodec::Opus,
            until_report: 0,
            until_reception: RECEPTION_EVERY,
            until_earlier: EARLIER_EVERY,
            speakers: 0,
            windows_untold: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.legs.is_empty() && self.builtins.is_empty() && self.peers == 0
    }

    /// Whether the phones in it hear each other or somebody of ours: their voices are mixed.
    pub(crate) fn is_mixed(&self) -> bool {
        self.legs.len() > 1 || !self.builtins.is_empty()
    }

    /// Samples of one frame of its mix.
    pub(crate) fn frame(&self) -> usize {
        (self.rate as usize / 50).min(FRAME)
    }

    /// Takes a track out. What phones have not heard of it yet is still played to them.
    pub(crate) fn retire(&mut self, index: usize) {
        let Some(track) = self.tracks.get_mut(index) else { return };
        self.by_sid.remove(&track.sid);
        track.origin = Origin::Gone;
        track.subscribers.clear();
        track.uplink = None;
        if self.legs.is_empty() || track.muted || track.downlink.as_ref().is_none_or(|d| d.is_empty()) {
            self.tracks.remove(index);
        }
    }

    /// Takes out tracks that are gone and whose last word has been played.
    pub(crate) fn drop_finished(&mut self) {
        self.tracks.retain(|_, track| {
            track.origin != Origin::Gone || track.downlink.as_ref().is_some_and(|downlink| !downlink.is_empty())
        });
    }

    /// Whether somebody has something left to say to the phones.
    pub(crate) fn is_speaking(&self) -> bool {
        self.builtins.values().any(Member::is_speaking)
            || self.tracks.iter().any(|(_, t)| !t.muted && t.downlink.as_ref().is_some_and(|d| !d.is_empty()))
    }
}
