//! Rooms as WebRTC clients see them, at the edge of the exchange.

mod data;
mod dual;
mod hostile;
mod joining;
mod moving;
mod permitting;
mod phone;
mod publishing;
mod quality;
mod resume;
mod subscribing;
mod updating;
mod world;
