//! Agents: the workers that run them, the dispatches that call for them, and their jobs.
//!
//! A dispatch belongs to a room. It gives each worker that is registered under its name a job: one
//! for the room, or one for each participant. A job is offered to one worker after the other until
//! one takes it; while none does it waits, and a worker that registers later is asked at once.

mod attending;
mod dispatching;
mod jobs;
mod offering;
mod simulating;
mod table;
mod workers;

pub(crate) use table::Agents;
