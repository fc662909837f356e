//! The exchange thread: one bounded inbox, `recv → handle → carry out → sleep until the timeout`.

use crate::{clock, inbox::Inputs, outputs::Outputs};
use std::{
    sync::mpsc::RecvTimeoutError,
    thread::{Builder, JoinHandle},
    time::Duration,
};
use trunkline_exchange::{Exchange, Input};

/// Runs the exchange until `outputs` says that it is stopped or every way in is gone.
pub(crate) fn spawn(
    mut exchange: Exchange,
    mut inputs: Inputs,
    mut shells: Outputs,
) -> std::io::Result<JoinHandle<()>> {
    Builder::new().name("exchange".into()).spawn(move || {
        let mut outputs = Vec::new();
        loop {
            let due = exchange.poll_timeout();
            let wait = due.map_or(Duration::from_secs(1), |at| at.since(clock::now()).min(Duration::from_secs(1)));
            let input = match inputs.next(wait) {
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
