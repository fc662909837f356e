//! What a thread is made of that a test drives.

use super::*;
use std::sync::mpsc::sync_channel;

/// No ports for legs, no TCP, a clock that stands still, and nobody who is told.
pub(super) fn parts() -> Parts {
    Parts {
        index: 0,
        plans: sync_channel(1).1,
        ports: Arc::new(Ports::new(0..=0)),
        rtc: "127.0.0.1:0".parse().unwrap(),
        advertise: Vec::new(),
        tcp: Vec::new(),
        force_tcp: false,
        names: Names::default(),
        stack: Stack::new(),
        quality: Quality::default(),
        jitter: Jitter::default(),
        clock: Arc::new(Time::default),
        sink: Arc::new(|_| {}),
    }
}
