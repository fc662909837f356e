//! Directories, records and a store whose completions can be awaited.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc::{self, Receiver},
    },
    time::Duration,
};
use trunkline_call::{
    media::LegStats,
    record::{CallRecord, CallStatus, Ending, Explanation, LadderEntry},
};
use trunkline_store::{Loaded, Store, StoreOptions, Write};
use trunkline_types::EndReason;

/// A fresh directory, gone when dropped.
pub struct Dir(pub PathBuf);

impl Dir {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("store-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    pub fn db(&self) -> PathBuf {
        self.0.join("trunkline.db")
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub const NOW_MS: i64 = 1_700_000_000_000;

/// A store with what it loaded and the completions it reports.
pub struct Open {
    pub store: Store,
    pub loaded: Loaded,
    pub done: Receiver<(u64, Result<(), String>)>,
}

/// A clock that stands still, so that nothing happens by itself.
pub fn standing() -> StoreOptions {
    StoreOptions { now_ms: Box::new(|| NOW_MS), ..StoreOptions::default() }
}

pub fn open(dir: &Dir) -> Open {
    open_with(dir, standing())
}

pub fn open_with(dir: &Dir, options: StoreOptions) -> Open {
    let (sender, done) = mpsc::channel();
    let completed = Box::new(move |token, result| {
        let _ = sender.send((token, result));
    });
    let (store, loaded) = Store::open(&dir.0, StoreOptions { completed, ..options }).expect("the store opens");
    Open { store, loaded, done }
}

impl Open {
    /// Writes and waits for the completion.
    pub fn write(&self, write: Write) -> Result<(), String> {
        self.store.write(7, write);
        let (token, result) = self.done.recv_timeout(Duration::from_secs(60)).expect("a completion");
        assert_eq!(token, 7);
        result
    }
}

/// A call that still runs.
pub fn call(id: &str, created_at_ms: i64) -> CallRecord {
    CallRecord {
        call_id: id.into(),
        sip_call_id: format!("{id}@example.net"),
        direction: "inbound".into(),
        status: CallStatus::Ringing,
        trunk_id: "ST_1".into(),
        rule_id: "SDR_1".into(),
        room_name: "room".into(),
        room_sid: "RM_1".into(),
        participant_identity: "sip_+15550100".into(),
        from: "+15550100".into(),
        to: "+15550101".into(),
        source: "UDP 192.0.2.1:5060".into(),
        created_at_ms,
        ringing_at_ms: Some(created_at_ms + 1),
        answered_at_ms: None,
        ended_at_ms: None,
        ending: None,
        attributes: BTreeMap::from([("sip.callID".into(), id.into())]),
        invite_headers: vec![("X-One".into(), "1\u{e9}".into())],
        receipts: Vec::new(),
        transfers: Vec::new(),
        explanation: Explanation::of(&serde_json::json!({ "rule": "SDR_1" })),
        codec: None,
        media: LegStats::default(),
    }
}

/// The same call, over.
pub fn ended(mut call: CallRecord, at_ms: i64) -> CallRecord {
    let reason = EndReason::RemoteBye;
    call.status = CallStatus::Hangup;
    call.ended_at_ms = Some(at_ms);
    call.ending = Some(Ending {
        reason,
        by: reason.ended_by(),
        disconnect_reason: reason.disconnect_reason(),
        sip_status: None,
        q850: None,
        text: "the far end hung up".into(),
    });
    call
}

pub fn rung(at_us: i64, text: &str) -> LadderEntry {
    LadderEntry {
        at_us,
        sent: false,
        transport: "UDP".into(),
        remote: "192.0.2.1:5060".into(),
        start_line: "BYE sip:a@b SIP/2.0".into(),
        text: text.into(),
    }
}
