//! The exchange thread: one bounded inbox, `recv → handle → carry out → sleep until the timeout`.

use crate::{clock, outputs::Outputs};
use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    thread::{Builder, JoinHandle},
    time::Duration,
};
use trunkline_exchange::{Exchange, Input};

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

/// Runs the exchange until `outputs` says that it is stopped or every way in is gone.
pub(crate) fn spawn(
    mut exchange: Exchange,
    inputs: Receiver<Input>,
    mut shells: Outputs,
) -> std::io::Result<JoinHandle<()>> {
    Builder::new().name("exchange".into()).spawn(move || {
        let mut outputs = Vec::new();
        loop {
            let due = exchange.poll_timeout();
            let wait = due.map_or(Duration::from_secs(1), |at| at.since(clock::now()).min(Duration::from_secs(1)));
            let input = match inputs.recv_timeout(wait) {
                Ok(input) => input,
                Err(RecvTimeoutError::Timeout) => Input::Tick,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let now = clock::now();
            exchange.handle(input, now, &mut outputs);
            // Under load the inbox is never empty: timers must not starve behind it.
            if exchange.poll_timeout().is_some_and(|at| at <= now) {
                exchange.handle(Input::Tick, now, &mut outputs);
            }
            for output in outputs.drain(..) {
                shells.carry_out(output);
            }
            if shells.is_stopped() {
                return;
            }
        }
    })
}
