//! Agents' workers, dispatches and jobs, at the edge of the exchange.

mod calling;
mod dispatching;
mod ending;
mod hostile;
mod losing;
mod selecting;
mod staff;
#[allow(dead_code, unreachable_pub, reason = "each test binary uses its part of the world")]
#[path = "../peers/world.rs"]
mod world;
