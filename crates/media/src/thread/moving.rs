//! A leg goes to another room, with its sockets, keys, codecs and numbers: the far end notices
//! nothing.
//!
//! Where the room lives on another thread, that one is told to wait for the leg in the same step in
//! which this one is told to give it. It carries out no plan before the leg is there, so that
//! everything asked for after the move meets the leg in its new place. Packets and frames of its
//! other rooms go on meanwhile. No two threads wait for each other, for moves are handed out one
//! after the other: the earliest that is not done waits for nothing but a plan's turn.

use super::{Leg, LegKey, MediaPlan, RoomSid, Thread, Time, Token, TryRecvError};
use mio::{Interest, Waker};
use std::sync::{
    Arc,
    mpsc::{Receiver, SyncSender, sync_channel},
};

/// What a thread is told.
pub(crate) enum Order {
    /// A plan.
    Plan(MediaPlan),
    /// Hand a leg over to another thread.
    Give(Give),
    /// Take a leg over from another thread.
    Take(Take),
}

/// See [`Order::Give`].
pub(crate) struct Give {
    leg: LegKey,
    to: SyncSender<Box<Leg>>,
    waker: Arc<Waker>,
}

/// See [`Order::Take`].
pub(crate) struct Take {
    room: RoomSid,
    from: Receiver<Box<Leg>>,
}

/// Both halves of a move; `waker` is that of the thread that takes.
pub(crate) fn handover(leg: LegKey, room: RoomSid, waker: Arc<Waker>) -> (Order, Order) {
    let (to, from) = sync_channel(1);
    (Order::Give(Give { leg, to, waker }), Order::Take(Take { room, from }))
}

impl Thread {
    /// Into another room of this thread.
    pub(super) fn move_here(&mut self, key: &LegKey, to: RoomSid, now: Time) {
        let Some(index) = self.leg_index(key) else { return };
        self.leave(index);
        self.join(index, &to, now);
    }

    /// To another thread, which takes nothing if the leg is not here.
    pub(super) fn give(&mut self, give: Give) {
        let Give { leg, to, waker } = give;
        if let Some(index) = self.leg_index.remove(&leg) {
            self.leave(index);
            let mut leg = self.legs.remove(index);
            let registry = self.poll.registry();
            // A socket that cannot be taken off the list cannot be put on another one either, and
            // then the leg is closed there.
            let _ = registry.deregister(&mut leg.rtp);
            let _ = registry.deregister(&mut leg.rtcp);
            let _ = to.send(leg);
        }
        drop(to);
        let _ = waker.wake();
    }

    /// Takes the leg that is waited for, if there is one; whether plans may go on.
    pub(super) fn take_arrived(&mut self, now: Time) -> bool {
        let Some(take) = &self.awaited else { return true };
        let leg = match take.from.try_recv() {
            Err(TryRecvError::Empty) => return false,
            Err(TryRecvError::Disconnected) => None,
            Ok(leg) => Some(leg),
        };
        if let Some((take, leg)) = self.awaited.take().zip(leg)
            && let Err((mut leg, why)) = self.enter(leg, &take.room, now)
        {
            tracing::error!(call = %leg.key.call, %why, "a leg could not be moved; it is closed");
            self.dropped += leg.newly_dropped();
            self.facts.push(leg.close());
        }
        true
    }

    /// Puts a leg on the list of this thread and into a room.
    pub(super) fn enter(&mut self, leg: Box<Leg>, room: &RoomSid, now: Time) -> Result<(), (Box<Leg>, String)> {
        let index = self.legs.insert(leg);
        let registry = self.poll.registry();
        let registered = self.legs.get_mut(index).map_or(Ok(()), |leg| {
            registry
                .register(&mut leg.rtp, Token(index * 2), Interest::READABLE)
                .and_then(|()| registry.register(&mut leg.rtcp, Token(index * 2 + 1), Interest::READABLE))
        });
        if let Err(why) = registered {
            return Err((self.legs.remove(index), why.to_string()));
        }
        if let Some(leg) = self.legs.get(index) {
            self.leg_index.insert(leg.key.clone(), index);
        }
        self.join(index, room, now);
        Ok(())
    }

    fn join(&mut self, index: usize, sid: &RoomSid, now: Time) {
        let place = self.room(sid, now);
        let Some(room) = self.rooms.get_mut(place) else { return };
        room.legs.push(index);
        let (codec, is_mixed) = (room.codec, room.is_mixed());
        if let Some(leg) = self.legs.get_mut(index) {
            leg.room = place;
            leg.mix(is_mixed);
            leg.room_codec(codec);
        }
        self.set_rate(place);
        // What is being said is heard at once.
        let Some(room) = self.rooms.get_mut(place) else { return };
        for (_, track) in &mut room.tracks {
            if track.downlink.is_none() && track.recent.is_fresh(now) {
                track.open_downlink(room.codec, room.rate, self.jitter, now);
            }
        }
    }

    /// Takes a leg out of its room, where its track ends.
    fn leave(&mut self, index: usize) {
        let Some(leg) = self.legs.get_mut(index) else { return };
        let (place, track) = (leg.room, leg.track.take());
        leg.unheard();
        if let Some(room) = self.rooms.get_mut(place) {
            room.legs.retain(|held| *held != index);
            if let Some(track) = track {
                room.retire(track);
            }
            if room.legs.is_empty() {
                for (_, track) in &mut room.tracks {
                    track.downlink = None;
                }
                room.drop_finished();
            }
        }
        self.set_rate(place);
        self.forget_if_empty(place);
    }
}
