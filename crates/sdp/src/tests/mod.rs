//! Offers and answers as far ends write them.

mod encryption;
mod golden;
mod matrix;
mod opus;
mod property;
mod sides;
