//! SQLite: trunks, rules, options, call records, ladders.
//!
//! [`Store::open`] opens the file, closes the calls of a process that died, loads what routing
//! needs and starts the one writer thread. [`Store::write`] hands it a record; the completion
//! callback says when the record is durable. [`Reader`] answers queries on connections of its own
//! that cannot write.
//!
//! # What is on the disk
//!
//! `trunkline.db` (with `-wal` and `-shm` beside it while in use) and `trunkline.lock`, an empty
//! database whose exclusive lock keeps a second process out. All have mode 0600. The schema's
//! version stands in `user_version`; a file with a newer one is refused.
//!
//! ```text
//! file trunkline.db {                      user_version = 1, journal_mode = WAL
//!   meta   { key: text, value: blob }      "secret"    → 32 random bytes, made once
//!                                          "heartbeat" → Unix milliseconds, set each second
//!                                                        while a call is open
//!   trunks { id: text ST_…,
//!            kind: 0 inbound | 1 outbound,
//!            record: JSON routing::record::{InboundTrunk, OutboundTrunk} }
//!   rules  { id: text SDR_…, record: JSON routing::record::DispatchRule }
//!   options{ owner_kind: 0 trunk | 1 rule, owner: text,
//!            record: JSON routing::record::Options }
//!   calls  { id: text SCL_…,               one row per call, for ever
//!            created_at_ms: integer,
//!            open: 1 | 0,                  1 → 0 once, never back
//!            record: JSON call::record::CallRecord }
//!   ladder { call: text SCL_…, at_us: integer,
//!            bytes: integer,               what the row counts towards the retained bytes
//!            entry: JSON call::record::LadderEntry }
//! }
//! ```
//!
//! Fields that a record gains later are read with their default from older rows; everything else
//! is a new version.
//!
//! # Durability
//!
//! `synchronous=FULL`: a record whose callback said `Ok` survives the death of the process and of
//! the machine. Up to 1,024 records share one COMMIT. Ladders are written between commits without
//! a sync of their own, are dropped first, and never fail a record.

#![forbid(unsafe_code)]

mod apply;
mod counts;
mod error;
mod ladder;
mod load;
mod options;
mod queue;
mod reader;
mod schema;
mod store;
mod write;
mod writer;

pub use counts::Counts;
pub use error::Error;
pub use load::Loaded;
pub use options::StoreOptions;
pub use reader::Reader;
pub use store::Store;
pub use write::{OptionsOwner, Write};
