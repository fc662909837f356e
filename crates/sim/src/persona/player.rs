//! What a persona does again and again.

/// What runs on a persona's thread.
pub(crate) trait Player {
    /// Does what there is to do; `false` when it is done.
    fn turn(&mut self, is_stopped: bool) -> bool;
}
