//! The bounded way into the exchange.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};
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

/// A way into the exchange.
#[derive(Clone)]
pub(crate) struct Inbox {
    sender: SyncSender<Input>,
    waiting: Arc<AtomicUsize>,
}

impl Inbox {
    /// Hands in an input from outside; `false` if too many wait or the exchange is gone.
    pub(crate) fn offer(&self, input: Input) -> bool {
        self.waiting.load(Ordering::Relaxed) < FROM_OUTSIDE && self.sent(self.entering().try_send(input).is_ok())
    }

    /// Hands in an input; gives it back if the inbox is full.
    pub(crate) fn try_put(&self, input: Input) -> Option<Input> {
        let result = self.entering().try_send(input);
        self.sent(result.is_ok());
        match result {
            Err(TrySendError::Full(input)) => Some(input),
            // If the exchange is gone, so is whoever would care.
            Ok(()) | Err(TrySendError::Disconnected(_)) => None,
        }
    }

    /// Hands in an input that must not be lost; waits while the inbox is full.
    pub(crate) fn put(&self, input: Input) {
        if let Some(input) = self.try_put(input) {
            // The exchange is gone if this fails, and so is whoever would care.
            self.sent(self.entering().send(input).is_ok());
        }
    }

    /// Counts one more before it is sent: the exchange may take it at once.
    fn entering(&self) -> &SyncSender<Input> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        &self.sender
    }

    /// Takes back what [`Inbox::entering`] has counted unless it was sent.
    fn sent(&self, is_sent: bool) -> bool {
        if !is_sent {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        is_sent
    }
}

/// The end of the inbox that the exchange holds.
pub(crate) struct Inputs {
    receiver: Receiver<Input>,
    waiting: Arc<AtomicUsize>,
}

impl Inputs {
    /// The next input.
    ///
    /// # Errors
    /// There was none for so long, or every way in is gone.
    pub(crate) fn next(&self, wait: Duration) -> Result<Input, RecvTimeoutError> {
        let input = self.receiver.recv_timeout(wait)?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Ok(input)
    }
}

/// The inbox and its receiving end.
pub(crate) fn inbox() -> (Inbox, Inputs) {
    let (sender, receiver) = sync_channel(INBOX);
    let waiting = Arc::new(AtomicUsize::new(0));
    (Inbox { sender, waiting: waiting.clone() }, Inputs { receiver, waiting })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_leave_room_for_what_our_own_threads_report() {
        let (inbox, inputs) = inbox();
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
    fn who_waits_for_room_is_let_in() {
        let (inbox, inputs) = inbox();
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
