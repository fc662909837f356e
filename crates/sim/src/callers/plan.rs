//! What callers do, and how they are told to begin.

use super::codec::Codec;
use crate::sound::{Clip, Line};
use std::{
    net::SocketAddr,
    sync::{Arc, mpsc::Receiver},
    time::Duration,
};

/// Which number a call goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// All calls to one.
    One(String),
    /// Each call to one of its own: these digits and five of the call.
    Each(String),
}

impl Numbers {
    /// The number of the n-th call.
    pub fn of(&self, call: u32) -> String {
        match self {
            Self::One(number) => number.clone(),
            Self::Each(digits) => format!("{digits}{call:05}"),
        }
    }
}

/// How well a caller listens.
#[derive(Clone, Debug, Default)]
pub enum Ear {
    /// Counts packets and notes when sound begins.
    #[default]
    Counts,
    /// Keeps what the first call heard.
    Records,
    /// Times marks: those it says and those it hears.
    Marks {
        /// By call: where its own marks are noted and those it hears.
        lines: Vec<(Arc<Line>, Arc<Line>)>,
    },
}

/// What is said, encoded.
#[derive(Clone, Debug)]
pub struct Script(pub(crate) Arc<[Box<[u8]>]>);

impl Script {
    /// A clip in a codec.
    pub fn new(codec: Codec, clip: &Clip) -> Self {
        Self(codec.script(&clip.at(codec.rate()).pcm).into())
    }
}

/// What callers do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server's SIP address.
    pub server: SocketAddr,
    /// Where they call.
    pub numbers: Numbers,
    /// Calls begun per second, when they begin by themselves.
    pub rate: f64,
    /// Calls in all, when they begin by themselves.
    pub calls: u32,
    /// From the answer to the BYE, give or take half of it; `None`: until the end.
    pub hold: Option<Duration>,
    /// Everybody hangs up this long after the start; `None`: when each call's hold is over.
    pub end: Option<Duration>,
    /// What they speak.
    pub codec: Codec,
    /// What they say.
    pub script: Script,
    /// Each begins somewhere else in the script.
    pub scatter: bool,
    /// How they listen.
    pub ear: Ear,
}

impl Plan {
    /// One call to a number, which says this over and over.
    pub fn new(server: SocketAddr, number: &str, codec: Codec, says: &Clip) -> Self {
        Self {
            server,
            numbers: Numbers::One(number.to_owned()),
            rate: 10.0,
            calls: 1,
            hold: None,
            end: None,
            codec,
            script: Script::new(codec, says),
            scatter: false,
            ear: Ear::Counts,
        }
    }
}

/// Who else has a say in when calls begin.
#[derive(Default)]
pub struct Control {
    /// Calls to begin now; the run ends when nobody can send any more and all calls are over.
    pub begin: Option<Receiver<u32>>,
    /// Told of each call that is over.
    pub over: Option<Box<dyn FnMut(u32) + Send>>,
}
