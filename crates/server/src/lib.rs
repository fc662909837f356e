//! The composition: config → build → run → drain.
//!
//! [`Server::start`] opens the store, binds the sockets, starts the media threads and the one
//! exchange thread, and serves the API. Nothing is decided here: every decision is the exchange's,
//! every byte a shell's.

mod clock;
pub mod config;
mod control;
mod counts;
pub mod doctor;
mod exchange_thread;
mod heap;
mod inbox;
mod listening;
mod names;
mod outputs;
mod run;
mod server;

pub use config::Config;
pub use run::{init_logging, run};
pub use server::{Addresses, Error, Server};
