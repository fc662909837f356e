//! Playout of one source: packets in as the network delivers them, 20 ms out with every tick.

mod arrival;
mod buffer;
mod ring;
#[cfg(test)]
mod tests;

pub use buffer::{Frame, JitterBuffer, JitterConfig, JitterStats};
