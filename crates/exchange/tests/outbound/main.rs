//! Calls out at the edge of the exchange, in virtual time, with a far end that the test plays.

mod answering;
mod crowding;
mod failing;
mod giving_up;
mod locating;
mod registering;
mod world;
