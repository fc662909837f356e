//! The owner's handle.

use crate::{
    Counts, Error, Loaded, Reader, StoreOptions, Write, counts::Counters, load, queue::Queue, schema, writer::Writer,
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    thread::{self, JoinHandle},
};
use trunkline_call::record::LadderEntry;
use trunkline_types::CallId;

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

    /// What reads the counters, also for who must not keep the store open.
    pub fn counting(&self) -> impl Fn() -> Counts + Send + Sync + use<> {
        let counters = self.counters.clone();
        move || counters.read()
    }

    /// The counters.
    pub fn counts(&self) -> Counts {
        self.counters.read()
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
