//! Rooms as WebRTC clients see them, at the edge of the exchange.

mod data;
mod dual;
mod hostile;
mod joining;
mod phone;
mod publishing;
mod resume;
mod subscribing;
mod world;
