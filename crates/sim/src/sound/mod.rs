//! What far ends say and how they judge what they hear: clips, scripts of talk and pauses, marks
//! whose return is timed, recordings.

mod clip;
mod mark;
mod recorder;
mod script;

pub use clip::{Clip, ClipError};
pub(crate) use mark::begins as mark_begins;
pub use mark::{Line, Onset, marks};
pub use recorder::Recorder;
pub use script::{Talk, script};
