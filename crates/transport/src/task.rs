//! The life of the tasks: they end when the transport closes, and begin anew after a panic.

use crate::{counts::count, inward::Inward};
use std::{convert::Infallible, future::Future, sync::Arc};
use tokio::sync::{mpsc, watch};

/// What every task holds.
#[derive(Clone)]
pub(crate) struct Life {
    closing: watch::Receiver<bool>,
    /// Nothing is ever sent; the transport waits until every copy is dropped.
    _alive: mpsc::Sender<Infallible>,
}

impl Life {
    pub(crate) fn new(closing: watch::Receiver<bool>, alive: mpsc::Sender<Infallible>) -> Self {
        Self { closing, _alive: alive }
    }

    /// Completes when the transport closes or is gone.
    pub(crate) async fn ended(&self) {
        let _ = self.closing.clone().wait_for(|closing| *closing).await;
    }
}

/// Runs `work` until it returns; when it panics it is counted and begun again.
pub(crate) async fn supervised<W>(inward: Arc<Inward>, work: impl Fn() -> W)
where
    W: Future<Output = ()> + Send + 'static,
{
    while let Err(error) = tokio::spawn(work()).await {
        if !error.is_panic() {
            return;
        }
        count(&inward.counters.panics);
        tracing::error!("a loop of the SIP transport panicked and begins again");
    }
}
