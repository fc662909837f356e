//! The owner's handle.

use crate::{Error, Loaded, Reader, StoreOptions, Write, load, queue::Queue, schema, writer::Writer};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};
use trunkline_call::record::LadderEntry;
use trunkline_types::CallId;

/// What has happened since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records stored.
    pub stored: u64,
    /// Records not stored; each was reported to the callback.
    pub failed: u64,
    /// Transactions of records.
    pub commits: u64,
    /// Ladder entries that were dropped: the queue was full, the call had as many as it may, or
    /// the disk took no more.
    pub ladders_shed: u64,
}

/// The counters as the threads share them.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) stored: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) ladders_shed: AtomicU64,
}

/// The open store. Dropping it writes what is still queued and closes the file.
pub struct Store {
    file: PathBuf,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    thread: Option<JoinHandle<()>>,
}

impl Store {
    /// Opens the store in `dir` (made if need be), closes the calls of a process that died, loads
    /// everything and starts the writer thread.
    pub fn open(dir: &Path, options: StoreOptions) -> Result<(Self, Loaded), Error> {
        let lock = schema::lock(dir)?;
        let mut connection = schema::open_writer(dir, &options)?;
        let loaded = load::load(&mut connection)?;
        let queue = Arc::new(Queue::default());
        let counters = Arc::new(Counters::default());
        let mut writer = Writer::new(connection, options, queue.clone(), counters.clone())?;
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                writer.run();
                // The file is closed before anybody else may open it.
                drop(writer);
                drop(lock);
            })
            .map_err(|why| Error::File { path: dir.to_owned(), why })?;
        Ok((Self { file: schema::file(dir), queue, counters, thread: Some(thread) }, loaded))
    }

    /// Queues a record. The callback given at [`open`](Self::open) gets `token` once the record is
    /// durable or has failed. Returns at once; only when 16,384 records wait and as many more have
    /// been refused does it wait for the disk.
    pub fn write(&self, token: u64, write: Write) {
        self.queue.write(token, write);
    }

    /// Queues an entry of a call's ladder, at most
    /// [`limits::LADDER_ENTRIES`](trunkline_types::limits::LADDER_ENTRIES) per call. Dropped and
    /// counted when the disk does not keep up.
    pub fn ladder(&self, call: CallId, entry: LadderEntry) {
        if !self.queue.ladder(call, entry) {
            self.counters.ladders_shed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Queries on connections of their own. It outlives the store.
    pub fn reader(&self) -> Reader {
        Reader::new(self.file.clone())
    }

    /// The counters.
    pub fn counts(&self) -> Counts {
        Counts {
            stored: self.counters.stored.load(Ordering::Relaxed),
            failed: self.counters.failed.load(Ordering::Relaxed),
            commits: self.counters.commits.load(Ordering::Relaxed),
            ladders_shed: self.counters.ladders_shed.load(Ordering::Relaxed),
        }
    }

    /// Writes what is still queued, calls back for it and closes the file.
    pub fn shut_down(self) {
        drop(self);
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.queue.close();
        let Some(thread) = self.thread.take() else { return };
        // The callback may hold the last handle; a thread cannot wait for itself.
        if thread.thread().id() != thread::current().id() && thread.join().is_err() {
            tracing::error!("the store's thread ended with a panic");
        }
    }
}
