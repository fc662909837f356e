//! Which thread a connection lives on, by the ICE user fragments we have told its client.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

/// Shared by all threads; touched when a connection is negotiated, never per packet.
#[derive(Clone, Default)]
pub(crate) struct Names(Arc<Mutex<HashMap<String, usize>>>);

impl Names {
    /// The name belongs to a connection of this thread.
    pub(crate) fn note(&self, ufrag: &str, thread: usize) {
        if let Ok(mut names) = self.0.lock()
            && !names.contains_key(ufrag)
        {
            names.insert(ufrag.to_owned(), thread);
        }
    }

    /// Its connection is gone.
    pub(crate) fn forget(&self, ufrags: &[String]) {
        if let Ok(mut names) = self.0.lock() {
            for ufrag in ufrags {
                names.remove(ufrag);
            }
        }
    }

    /// The thread of the connection of that name.
    pub(crate) fn thread(&self, ufrag: &str) -> Option<usize> {
        self.0.lock().ok()?.get(ufrag).copied()
    }
}
