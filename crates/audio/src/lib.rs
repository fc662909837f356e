//! Audio as samples: codecs, resampling, loss concealment, tones and mixing. Pure: no clock, no
//! file, no thread. Samples are `i16`, mono, and nothing allocates once it is constructed, except
//! the built-in [`prompt`].

#![deny(unsafe_code)]

pub mod dtmf_detect;
pub mod g711;
pub mod g722;
pub mod gate;
mod halve;
pub mod mix;
pub mod music;
pub mod noise;
pub mod opus;
mod pitch;
pub mod plc;
pub mod prompt;
pub mod resample;
pub mod ringing;
pub mod shorten;
#[cfg(test)]
mod spoken;
pub mod tone;
