//! The bounded way into the exchange.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use trunkline_exchange::Input;

/// How many inputs may wait. A SIP message that finds the inbox full is shed in `transport`.
const INBOX: usize = 16_384;

/// A way into the exchange.
#[derive(Clone)]
pub(crate) struct Inbox(SyncSender<Input>);

impl Inbox {
    /// Hands in an input; `false` if the inbox is full or the exchange is gone.
    pub(crate) fn offer(&self, input: Input) -> bool {
        self.0.try_send(input).is_ok()
    }

    /// Hands in an input; gives it back if the inbox is full.
    pub(crate) fn try_put(&self, input: Input) -> Option<Input> {
        match self.0.try_send(input) {
            Err(TrySendError::Full(input)) => Some(input),
            // If the exchange is gone, so is whoever would care.
            Ok(()) | Err(TrySendError::Disconnected(_)) => None,
        }
    }

    /// Hands in an input that must not be lost; waits while the inbox is full.
    pub(crate) fn put(&self, input: Input) {
        if let Some(input) = self.try_put(input) {
            // The exchange is gone if this fails, and so is whoever would care.
            let _ = self.0.send(input);
        }
    }
}

/// The inbox and its receiving end.
pub(crate) fn inbox() -> (Inbox, Receiver<Input>) {
    let (sender, receiver) = sync_channel(INBOX);
    (Inbox(sender), receiver)
}
