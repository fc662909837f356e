//! What survives when the process does not.

use crate::fixture::{Dir, NOW_MS, call, ended, open, open_with, standing};
use std::{
    fs,
    io::{BufRead, BufReader, Write as _},
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};
use trunkline_call::record::CallStatus;
use trunkline_routing::record::InboundTrunk;
use trunkline_store::{Store, StoreOptions, Write};

const DIR: &str = "TRUNKLINE_STORE_TEST_DIR";

/// Not a test of its own: run by the next one as a process that writes until it is killed, and
/// prints the token of everything that was acknowledged.
#[test]
fn process_that_writes() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let completed = Box::new(|token: u64, result: Result<(), String>| {
        if result.is_ok() {
            let mut out = std::io::stdout().lock();
            let _ = writeln!(out, "ack {token}");
            let _ = out.flush();
        }
    });
    let options = StoreOptions { completed, ..StoreOptions::default() };
    let (store, _) = Store::open(&PathBuf::from(dir), options).expect("the store opens");
    for token in 0.. {
        let (id, at) = (format!("{token}"), NOW_MS + token as i64);
        store.write(
            token,
            match token % 3 {
                0 => Write::PutInboundTrunk(InboundTrunk { id: format!("ST_{id}").into(), ..Default::default() }),
                1 => Write::PutCall(call(&format!("SCL_{id}"), at)),
                _ => Write::PutCall(ended(call(&format!("SCL_{}", token - 1), at), at)),
            },
        );
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    for acknowledged in [1, 40, 400, 2_000] {
        let dir = Dir::new();
        let mut child = Command::new(std::env::current_exe().expect("our own path"))
            .args(["--exact", "crash::process_that_writes", "--nocapture", "--test-threads=1"])
            .env(DIR, &dir.0)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the process starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut tokens: Vec<u64> = Vec::new();
        // The harness prints its own words before the first acknowledgement, on the same line.
        let token = |line: &str| -> Option<u64> { line.rsplit_once("ack ").and_then(|(_, token)| token.parse().ok()) };
        while tokens.len() < acknowledged {
            let line = lines.next().expect("the process writes").expect("text");
            tokens.extend(token(&line));
        }
        child.kill().expect("killed");
        tokens.extend(lines.map_while(Result::ok).filter_map(|line| token(&line)));
        child.wait().expect("gone");

        let opened = open(&dir);
        let reader = opened.store.reader();
        let trunks: Vec<_> = opened.loaded.inbound_trunks.iter().map(|trunk| trunk.id.to_string()).collect();
        for token in &tokens {
            match token % 3 {
                0 => assert!(trunks.contains(&format!("ST_{token}")), "trunk {token}"),
                1 => assert!(reader.call(&format!("SCL_{token}")).expect("call").is_some(), "call {token}"),
                _ => {
                    let over = reader.call(&format!("SCL_{}", token - 1)).expect("call").expect("there");
                    assert_eq!(over.ending.expect("over").reason.as_str(), "remote_bye");
                }
            }
        }
        let calls = reader.calls(usize::MAX, None).expect("calls");
        assert!(calls.iter().all(|call| call.ended_at_ms.is_some()), "none is open after the restart");
    }
}

#[test]
fn a_copy_of_a_live_store_opens_and_closes_its_calls_at_the_last_heartbeat() {
    let (dir, copy) = (Dir::new(), Dir::new());
    let clock = Arc::new(AtomicI64::new(NOW_MS));
    let read = clock.clone();
    let opened = open_with(&dir, StoreOptions { now_ms: Box::new(move || read.load(Ordering::SeqCst)), ..standing() });
    opened.write(Write::PutCall(call("SCL_open", NOW_MS))).expect("stored");
    opened.write(Write::PutCall(ended(call("SCL_over", NOW_MS), NOW_MS + 9))).expect("stored");
    clock.store(NOW_MS + 5_000, Ordering::SeqCst);
    // The heartbeat follows the first of these; the second is complete after it.
    opened.write(Write::DeleteRule("SDR_x".into())).expect("stored");
    opened.write(Write::DeleteRule("SDR_x".into())).expect("stored");

    fs::create_dir_all(&copy.0).expect("a directory");
    for name in ["trunkline.db", "trunkline.db-wal"] {
        fs::copy(dir.0.join(name), copy.0.join(name)).expect("copied");
    }
    let second = open(&copy);
    assert_eq!(second.loaded.secret, opened.loaded.secret);
    let [orphan] = second.loaded.orphans.as_slice() else { panic!("one orphan") };
    assert_eq!(orphan.call_id.as_str(), "SCL_open");
    assert_eq!(orphan.status, CallStatus::Hangup);
    assert_eq!(orphan.ended_at_ms, Some(NOW_MS + 5_000));
    assert_eq!(orphan.ending.as_ref().expect("an ending").reason.as_str(), "server_crash");
    let stored = second.store.reader().call("SCL_open").expect("call").expect("there");
    assert_eq!(stored.ended_at_ms, orphan.ended_at_ms);
    second.store.shut_down();
    assert!(open(&copy).loaded.orphans.is_empty(), "an orphan is reported once");
}

#[test]
fn a_call_never_ends_before_its_own_last_moment() {
    let dir = Dir::new();
    let mut answered = call("SCL_1", NOW_MS + 100);
    answered.answered_at_ms = Some(NOW_MS + 700);
    let opened = open(&dir);
    opened.write(Write::PutCall(answered)).expect("stored");
    drop(opened);
    assert_eq!(open(&dir).loaded.orphans.first().and_then(|call| call.ended_at_ms), Some(NOW_MS + 700));
}

#[test]
fn what_is_queued_is_written_when_the_store_is_dropped() {
    let dir = Dir::new();
    let opened = open(&dir);
    for token in 0..3_000 {
        opened.store.write(token, Write::PutCall(ended(call(&format!("SCL_{token}"), 1), 2)));
    }
    drop(opened.store);
    assert_eq!(opened.done.iter().filter(|(_, result)| result.is_ok()).count(), 3_000);
    assert_eq!(open(&dir).store.reader().calls(usize::MAX, None).expect("calls").len(), 3_000);
}
