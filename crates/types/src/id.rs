//! Identifiers: LiveKit's prefixes with twelve random characters behind them.

use crate::Random;
use serde::{Deserialize, Serialize};
use std::{
    borrow::Borrow,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

/// The 57 characters LiveKit draws its ids from: no 0, 1, I, O or l.
pub const ALPHABET: &[u8; 57] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// What every id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// Draws a new id: the prefix and twelve characters of [`ALPHABET`].
            pub fn random(random: &mut Random) -> Self {
                Self(random.id($prefix).into())
            }

            /// The id as it goes over the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether nothing was given.
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self("".into())
            }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }
        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// A call (`SCL_…`), at the same time the tag of our side of its SIP dialog.
    CallId, "SCL_"
);
id!(
    /// A trunk, inbound or outbound (`ST_…`).
    TrunkId, "ST_"
);
id!(
    /// A dispatch rule (`SDR_…`).
    RuleId, "SDR_"
);
id!(
    /// One life of a room (`RM_…`).
    RoomSid, "RM_"
);

/// Sids that are drawn before one is taken that another thread carries: of so many times the threads
/// hardly none fits.
const TRIES: usize = 16;

impl RoomSid {
    /// Which of so many media threads carries the room, from 0: whoever asks is told the same, and
    /// nobody has to keep it.
    pub fn thread(&self, threads: usize) -> usize {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        usize::try_from(hasher.finish() % threads.max(1) as u64).unwrap_or(0)
    }

    /// Draws one that this of so many media threads carries.
    pub fn random_on(random: &mut Random, thread: usize, threads: usize) -> Self {
        let mut sid = Self::random(random);
        for _ in 0..TRIES * threads {
            if sid.thread(threads) == thread {
                break;
            }
            sid = Self::random(random);
        }
        sid
    }
}

id!(
    /// One life of a participant (`PA_…`).
    ParticipantSid, "PA_"
);
id!(
    /// A published track (`TR_…`).
    TrackSid, "TR_"
);
id!(
    /// An agent's work in a room (`AJ_…`).
    JobId, "AJ_"
);
id!(
    /// The wish that an agent comes into a room (`AD_…`).
    DispatchId, "AD_"
);
id!(
    /// One registration of an agents' worker (`AW_…`).
    WorkerId, "AW_"
);

/// A SIP leg of a call: 0 is the one the call began with, 1 a second leg (bridged transfer).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LegId(pub u8);

impl LegId {
    /// The leg the call began with.
    pub const FIRST: Self = Self(0);
}

/// A media thread, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ThreadId(pub u16);
