//! Personas on threads of their own.

use super::{
    event::Event,
    far_end::FarEnd,
    plan::{Plan, Transport},
    player::Player,
    proxy::Proxy,
    roster,
    tls::Tls,
    wire::Wire,
};
use std::{
    io,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, channel},
    },
    thread::{Builder, JoinHandle},
    time::Duration,
};

/// Between two looks at the sockets.
const TURN: Duration = Duration::from_millis(2);

/// A persona that runs on a thread of its own.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it tells; ends when it is done.
    pub events: Receiver<Event>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Running {
    /// Asks it to end its calls and be done.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// What stops it, for another thread.
    pub fn stopper(&self) -> Arc<AtomicBool> {
        self.stop.clone()
    }

    /// Waits until it is done.
    pub fn wait(self) {
        // One that has failed has told so.
        let _ = self.thread.join();
    }
}

/// Starts a persona.
///
/// # Errors
/// There is none of this name, a socket fails, or TLS has no certificate to listen with.
pub fn start(plan: Plan) -> io::Result<Running> {
    let tls = if plan.transport == Transport::Tls { Some(tls(&plan)?) } else { None };
    let wire = Wire::new(plan.transport, plan.listen, tls)?;
    let address = wire.local();
    let stop = Arc::new(AtomicBool::new(false));
    let (sender, events) = channel();
    let name = plan.name.clone();
    let mut player: Box<dyn Player + Send> = if name == "proxy" {
        Box::new(Proxy::new(plan, wire, sender)?)
    } else {
        let script = roster::script(&plan)
            .ok_or_else(|| io::Error::other(format!("there is no persona {name}: {}", roster::names().join(", "))))?;
        Box::new(FarEnd::new(plan, script, wire, sender))
    };
    let stopped = stop.clone();
    let thread = Builder::new().name(name).spawn(move || {
        while player.turn(stopped.load(Ordering::Relaxed)) {
            std::thread::sleep(TURN);
        }
    })?;
    Ok(Running { address, events, stop, thread })
}

fn tls(plan: &Plan) -> io::Result<Tls> {
    let files = plan.settings.get("cert").zip(plan.settings.get("key"));
    if files.is_none() && plan.call.is_none() {
        return Err(io::Error::other("to listen with TLS it needs --set cert=FILE and --set key=FILE, both PEM"));
    }
    Tls::new(files.map(|(chain, key)| (Path::new(chain), Path::new(key))))
}
