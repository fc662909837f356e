//! `trunkline run`: start, say where, wait for a signal, drain, stop.

use crate::{Addresses, Config, Error, Server, heap::Heap};
use std::{io::IsTerminal, time::Duration};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// The WebRTC stack warns of what every browser offers and we do not take, and of single packets: whoever
/// sends those would write our log.
const QUIET: &str = ",str0m=error,is=error,dimpl=error,sctp_proto=off";

/// Between two looks at how far the heap has grown.
const HEAP_LOOKED_AT: Duration = Duration::from_secs(1);

/// Sends the log to standard error; `RUST_LOG` wins over `level`.
pub fn init_logging(level: &str) {
    let quiet = |level| EnvFilter::new(format!("{level}{QUIET}"));
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| quiet(level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call, as in tests, keeps the first one's settings.
    let _ = log.with_ansi(std::io::stderr().is_terminal()).try_init();
}

/// Runs the server until it is told to stop. SIGTERM and SIGINT drain: new calls get 503, running
/// ones go on up to `drain_timeout`; a second signal ends all within two seconds.
pub fn run(config: Config, on_ready: impl FnOnce(&Addresses)) -> Result<(), Error> {
    init_logging(&config.log_level);
    let heap = Heap::shared();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Thread)?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(Error::Thread)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Thread)?;
        tokio::spawn(keep_in_large_pages(heap));
        let server = Server::start(config).await?;
        on_ready(server.addresses());
        told(&mut terminate, &mut interrupt).await;
        tracing::info!("draining: new calls are refused, running ones go on; a second signal ends them");
        tokio::select! {
            () = server.drain() => {}
            () = told(&mut terminate, &mut interrupt) => {}
        }
        server.shut_down().await;
        Ok(())
    })
}

async fn keep_in_large_pages(mut heap: Heap) {
    let mut interval = tokio::time::interval(HEAP_LOOKED_AT);
    loop {
        interval.tick().await;
        heap.ask();
    }
}

async fn told(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
