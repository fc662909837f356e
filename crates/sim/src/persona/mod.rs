//! Far ends with a character, one file each, over real sockets.

mod acting;
mod call;
mod digest;
mod event;
mod far_end;
mod five9;
mod incoming;
mod outgoing;
mod plan;
mod player;
mod proxy;
mod real;
mod roster;
mod running;
mod script;
mod session;
mod text;
mod tls;
mod voice;
mod wire;

mod avaya;
mod busy;
mod declines;
mod failing;
mod forks;
mod genesys;
mod hangs_up;
mod holds;
mod invoca;
mod no_answer;
mod picky;
mod recoder;
mod redirects;
mod refuses_refer;
mod silent;
mod timer;
mod twilio;
mod voicemail;

pub use event::Event;
pub use five9::{CallResult, Error, Five9, Step, call};
pub use plan::{Plan, Transport};
pub use roster::names;
pub use running::{Running, start};
pub use script::Settings;
