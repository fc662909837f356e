//! What happens in the middle of calls, at the edge of the exchange: a scripted telephone on one
//! side, the API and a room on the other, in virtual time.

mod bridging;
mod crowding;
mod giving_up;
mod holding;
mod interleaving;
mod moving;
mod phone;
mod pins;
mod replacing;
mod timing;
mod transferring;
#[allow(dead_code, unreachable_pub, reason = "each test binary uses its part of the world")]
#[path = "../peers/world.rs"]
mod world;
