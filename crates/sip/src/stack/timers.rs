//! All timers of the stack.

use std::collections::{BTreeMap, BTreeSet};
use trunkline_types::Time;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// 100 unless something was sent.
    Trying(u64),
    /// 2xx (RFC 3261 §13.3.1.4) or timer G.
    InviteRepeat(u64),
    /// 64·T1 after the final answer: timer H, or the ACK to a 2xx never came.
    InviteEnd(u64),
    /// A reliable provisional answer: T1, doubling.
    ReliableRepeat(u64),
    /// 64·T1 without a PRACK.
    ReliableEnd(u64),
    /// Timer J.
    ServedEnd(u64),
    /// Timer E.
    ClientRepeat(u64),
    /// Timer F, then K.
    ClientEnd(u64),
    /// Timer A.
    AttemptRepeat(u64),
    /// Timer B, then D or M; the wait for what follows a CANCEL.
    AttemptEnd(u64),
}

#[derive(Debug, Default)]
pub(crate) struct Timers {
    order: BTreeSet<(Time, Timer)>,
    set: BTreeMap<Timer, Time>,
}

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, at: Time) {
        self.clear(timer);
        self.order.insert((at, timer));
        self.set.insert(timer, at);
    }

    pub(crate) fn clear(&mut self, timer: Timer) {
        if let Some(at) = self.set.remove(&timer) {
            self.order.remove(&(at, timer));
        }
    }

    pub(crate) fn next(&self) -> Option<Time> {
        self.order.first().map(|(at, _)| *at)
    }

    pub(crate) fn due(&mut self, now: Time) -> Option<Timer> {
        let (at, timer) = *self.order.first()?;
        if at > now {
            return None;
        }
        self.clear(timer);
        Some(timer)
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }
}
