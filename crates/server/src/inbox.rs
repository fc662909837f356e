//! The bounded way into the exchange.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
    vec,
};
use trunkline_call::media::MediaFact;
use trunkline_exchange::Input;

/// So many inputs may wait when another one comes from outside: a SIP message beyond them is shed in
/// `transport`.
const FROM_OUTSIDE: usize = 16_384;
/// So many more of what our own threads report of calls that are there. A media thread must not
/// stand still because strangers fill the inbox, least of all while the exchange waits for that
/// thread.
const OUR_OWN: usize = 4_096;
/// All that may wait.
const INBOX: usize = FROM_OUTSIDE + OUR_OWN;

/// What holds one place of the inbox. All places are there from the beginning, so they are small.
enum Entry {
    Input(Box<Input>),
    /// What a media thread tells in one go: the exchange is woken once for all of it.
    Facts(Vec<MediaFact>),
}

impl Entry {
    /// How many inputs it is.
    fn inputs(&self) -> usize {
        match self {
            Self::Input(_) => 1,
            Self::Facts(facts) => facts.len(),
        }
    }
}

/// A way into the exchange.
#[derive(Clone)]
pub(crate) struct Inbox {
    sender: SyncSender<Entry>,
    /// Inputs in it.
    waiting: Arc<AtomicUsize>,
}

impl Inbox {
    /// Hands in an input from outside; `false` if too many wait or the exchange is gone.
    pub(crate) fn offer(&self, input: Input) -> bool {
        self.waiting.load(Ordering::Relaxed) < FROM_OUTSIDE && self.enter(Entry::Input(Box::new(input))).is_ok()
    }

    /// Hands in an input; gives it back if the inbox is full.
    pub(crate) fn try_put(&self, input: Input) -> Option<Input> {
        match self.enter(Entry::Input(Box::new(input))) {
            Err(TrySendError::Full(Entry::Input(input))) => Some(*input),
            // If the exchange is gone, so is whoever would care.
            Ok(()) | Err(_) => None,
        }
    }

    /// Hands in an input that must not be lost; waits while the inbox is full.
    pub(crate) fn put(&self, input: Input) {
        self.enter_in_time(Entry::Input(Box::new(input)));
    }

    /// Hands in what a media thread tells; waits while the inbox is full.
    pub(crate) fn tell(&self, facts: Vec<MediaFact>) {
        if self.waiting.load(Ordering::Relaxed) < FROM_OUTSIDE {
            return self.enter_in_time(Entry::Facts(facts));
        }
        // In a crowd each takes a place of its own, so that their number has a bound.
        for fact in facts {
            self.put(Input::Media(fact));
        }
    }

    fn enter_in_time(&self, entry: Entry) {
        if let Err(TrySendError::Full(entry)) = self.enter(entry) {
            // The exchange is gone if this fails, and so is whoever would care.
            self.counted(entry, |entry| self.sender.send(entry).map_err(drop)).ok();
        }
    }

    fn enter(&self, entry: Entry) -> Result<(), TrySendError<Entry>> {
        self.counted(entry, |entry| self.sender.try_send(entry))
    }

    /// Counts an entry before it is sent, for the exchange may take it at once; no more if it is not.
    fn counted<E>(&self, entry: Entry, send: impl FnOnce(Entry) -> Result<(), E>) -> Result<(), E> {
        let inputs = entry.inputs();
        self.waiting.fetch_add(inputs, Ordering::Relaxed);
        send(entry).inspect_err(|_| {
            self.waiting.fetch_sub(inputs, Ordering::Relaxed);
        })
    }
}

/// The end of the inbox that the exchange holds.
pub(crate) struct Inputs {
    receiver: Receiver<Entry>,
    waiting: Arc<AtomicUsize>,
    /// What is left of the last facts that were taken out.
    facts: vec::IntoIter<MediaFact>,
}

impl Inputs {
    /// The next input.
    ///
    /// # Errors
    /// There was none for so long, or every way in is gone.
    pub(crate) fn next(&mut self, wait: Duration) -> Result<Input, RecvTimeoutError> {
        loop {
            if let Some(fact) = self.facts.next() {
                return Ok(Input::Media(fact));
            }
            let entry = self.receiver.recv_timeout(wait)?;
            self.waiting.fetch_sub(entry.inputs(), Ordering::Relaxed);
            match entry {
                Entry::Input(input) => return Ok(*input),
                Entry::Facts(facts) => self.facts = facts.into_iter(),
            }
        }
    }
}

/// The inbox and its receiving end.
pub(crate) fn inbox() -> (Inbox, Inputs) {
    let (sender, receiver) = sync_channel(INBOX);
    let waiting = Arc::new(AtomicUsize::new(0));
    (Inbox { sender, waiting: waiting.clone() }, Inputs { receiver, waiting, facts: Vec::new().into_iter() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_leave_room_for_what_our_own_threads_report() {
        let (inbox, mut inputs) = inbox();
        assert!((0..FROM_OUTSIDE).all(|_| inbox.offer(Input::Tick)));
        assert!(!inbox.offer(Input::Tick));
        assert!((FROM_OUTSIDE..INBOX).all(|_| inbox.try_put(Input::Tick).is_none()));
        assert!(inbox.try_put(Input::Tick).is_some());
        for _ in 0..=INBOX - FROM_OUTSIDE {
            assert!(!inbox.offer(Input::Tick));
            inputs.next(Duration::ZERO).unwrap();
        }
        assert!(inbox.offer(Input::Tick));
        assert!(!inbox.offer(Input::Tick));
    }

    #[test]
    fn what_is_told_in_one_go_is_heard_in_order() {
        let (inbox, mut inputs) = inbox();
        let load = |thread| MediaFact::Load {
            thread,
            busy: 0.5,
            spared: Duration::ZERO,
            left_out: Duration::ZERO,
            dropped: 0,
        };
        inbox.put(Input::Tick);
        inbox.tell(Vec::new());
        inbox.tell(vec![load(1), load(2)]);
        inbox.put(Input::Tick);
        assert_eq!(inbox.waiting.load(Ordering::Relaxed), 4);
        let mut heard = || match inputs.next(Duration::ZERO) {
            Ok(Input::Media(MediaFact::Load { thread, .. })) => Some(thread),
            Ok(Input::Tick) => None,
            other => panic!("{other:?}"),
        };
        assert_eq!([heard(), heard(), heard(), heard()], [None, Some(1), Some(2), None]);
        assert_eq!(inputs.next(Duration::ZERO).err(), Some(RecvTimeoutError::Timeout));
        assert_eq!(inbox.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_is_told_in_one_go_has_a_bound() {
        let (inbox, mut inputs) = inbox();
        let told = || {
            vec![
                MediaFact::Load { thread: 0, busy: 0.5, spared: Duration::ZERO, left_out: Duration::ZERO, dropped: 0 };
                1_000
            ]
        };
        (0..17).for_each(|_| inbox.tell(told()));
        assert_eq!(inbox.waiting.load(Ordering::Relaxed), 17_000);
        assert!(!inbox.offer(Input::Tick));
        // Now each takes a place: 17 of them are taken.
        (0..20).for_each(|_| inbox.tell(told()));
        assert!((20_017..INBOX).all(|_| inbox.try_put(Input::Tick).is_none()));
        assert!(inbox.try_put(Input::Tick).is_some());
        let heard = std::iter::from_fn(|| inputs.next(Duration::ZERO).ok()).count();
        assert_eq!((heard, inbox.waiting.load(Ordering::Relaxed)), (37_000 + INBOX - 20_017, 0));
    }

    #[test]
    fn who_waits_for_room_is_let_in() {
        let (inbox, mut inputs) = inbox();
        assert!((0..INBOX).all(|_| inbox.try_put(Input::Tick).is_none()));
        std::thread::scope(|scope| {
            scope.spawn(|| inbox.put(Input::Tick));
            assert!((0..=INBOX).all(|_| inputs.next(Duration::from_secs(60)).is_ok()));
        });
        assert_eq!(inputs.next(Duration::ZERO).err(), Some(RecvTimeoutError::Timeout));
        assert_eq!(inbox.waiting.load(Ordering::Relaxed), 0);
        drop(inputs);
        assert!(!inbox.offer(Input::Tick));
        assert!(inbox.try_put(Input::Tick).is_none());
        assert_eq!(inbox.waiting.load(Ordering::Relaxed), 0);
    }
}
