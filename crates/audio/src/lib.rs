//! Audio as samples: G.711, mixing and the built-in prompt. Pure; no clock, no file.

#![forbid(unsafe_code)]

pub mod g711;
pub mod mix;
pub mod prompt;
