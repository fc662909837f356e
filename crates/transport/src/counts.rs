//! Counters of everything that is decided here.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counts {
    ($(#[doc = $doc:literal] $name:ident),+ $(,)?) => {
        /// What has happened since the sockets were opened.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counts {
            $(#[doc = $doc] pub $name: u64,)+
        }

        impl Counts {
            /// Each counter: its name, what it counts, and how many there were.
            pub fn each(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
                [$((stringify!($name), $doc.trim_ascii(), self.$name)),+].into_iter()
            }
        }

        /// The counters as the tasks share them.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: AtomicU64,)+
        }

        impl Counters {
            pub(crate) fn read(&self) -> Counts {
                Counts { $($name: self.$name.load(Ordering::Relaxed),)+ }
            }
        }
    };
}

counts! {
    /// Messages that reached the parser.
    received,
    /// Messages handed to the operating system or to a connection.
    sent,
    /// Messages that could not be sent: no socket, no connection, a full socket buffer.
    send_failed,
    /// Keep-alives.
    keep_alives,
    /// STUN packets, dropped.
    stun,
    /// Datagrams dropped because their source sent too many.
    limited,
    /// Messages that did not parse.
    malformed,
    /// Messages that did not parse and were not answered: their source had too many answers already.
    malformed_unanswered,
    /// New INVITEs answered 503 because the sink took no more.
    overloaded,
    /// Other messages dropped because the sink took no more.
    shed,
    /// Connections accepted.
    accepted,
    /// Connections refused: too many from one source or in all.
    refused,
    /// Connections opened by us.
    opened,
    /// Connections closed for a missed deadline, a failed handshake included.
    slow,
    /// Connections to us closed because their TLS handshake failed.
    unsecured,
    /// Connections closed because the peer did not read.
    stuck,
    /// Connections closed for wrong framing.
    unframed,
    /// Panics that were caught.
    panics,
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
