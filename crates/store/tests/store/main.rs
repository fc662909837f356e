//! The store against a model, a crash, a full disk and a locked file.

mod crash;
mod faults;
mod fixture;
mod ladders;
mod model;
