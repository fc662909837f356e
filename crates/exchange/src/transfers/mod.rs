//! Moving callers on: who asked for it, who waits for its end, and the calls it takes.

mod attended;
mod bridging;
mod holding;
mod transferring;
mod waiters;

pub(crate) use waiters::Waiters;
