//! Full disks, locked files, full queues, foreign files.

use crate::fixture::{Dir, NOW_MS, call, ended, open, open_with, rung, standing};
use rusqlite::Connection;
use std::{fs, os::unix::fs::PermissionsExt, sync::mpsc, time::Duration};
use trunkline_store::{Error, Store, StoreOptions, Write};

#[test]
fn a_full_disk_fails_the_write_and_not_the_store() {
    let dir = Dir::new();
    let opened = open_with(&dir, StoreOptions { max_pages: Some(40), ..standing() });
    let mut stored = Vec::new();
    for number in 0.. {
        let mut record = ended(call(&format!("SCL_{number}"), number), number);
        record.room_name = "x".repeat(3_000);
        match opened.write(Write::PutCall(record)) {
            Ok(()) => stored.push(number),
            Err(text) => {
                assert!(text.contains("full"), "{text}");
                break;
            }
        }
        assert!(number < 1_000, "the quota holds");
    }
    assert!(!stored.is_empty());
    // What was acknowledged is there, and what needs no room is still written.
    let reader = opened.store.reader();
    assert_eq!(reader.calls(usize::MAX, None).expect("calls").len(), stored.len());
    opened.write(Write::DeleteTrunk("ST_1".into())).expect("needs no room");
    let counts = opened.store.counts();
    assert_eq!((counts.failed, counts.stored), (1, stored.len() as u64 + 1));
    opened.store.shut_down();
    let larger = open(&dir);
    larger.write(Write::PutCall(call("SCL_more", 1))).expect("there is room again");
}

#[test]
fn ladders_give_way_to_records_on_a_full_disk() {
    let dir = Dir::new();
    let opened = open(&dir);
    for number in 0..400 {
        opened.store.ladder(format!("SCL_{}", number / 50).into(), rung(NOW_MS * 1_000 + number, &"y".repeat(2_000)));
    }
    drop(opened);
    let connection = Connection::open(dir.db()).expect("opens");
    let number = |query| -> u32 { connection.query_row(query, [], |row| row.get(0)).expect("a number") };
    assert_eq!(number("SELECT count(*) FROM ladder"), 400);

    let opened = open_with(&dir, StoreOptions { max_pages: Some(number("PRAGMA page_count")), ..standing() });
    for number in 0..4 {
        let mut record = call(&format!("SCL_big{number}"), 1);
        record.room_name = "x".repeat(60_000);
        opened.write(Write::PutCall(record)).expect("ladders made room");
    }
    assert!(number("SELECT count(*) FROM ladder") < 400);
}

#[test]
fn one_record_that_cannot_be_stored_does_not_fail_its_group() {
    let dir = Dir::new();
    let (release, blocked) = mpsc::channel::<()>();
    let (sender, done) = mpsc::channel();
    let completed = Box::new(move |token: u64, result: Result<(), String>| {
        if token == 0 {
            let _ = blocked.recv();
        }
        let _ = sender.send((token, result.is_ok()));
    });
    let options = StoreOptions { completed, max_pages: Some(60), ..standing() };
    let (store, _) = Store::open(&dir.0, options).expect("opens");
    store.write(0, Write::DeleteRule("SDR_1".into()));
    let mut large = call("SCL_large", 1);
    large.room_name = "x".repeat(4_000_000);
    store.write(1, Write::PutCall(call("SCL_1", 1)));
    store.write(2, Write::PutCall(large));
    store.write(3, Write::PutCall(call("SCL_3", 1)));
    release.send(()).expect("the writer waits");
    store.shut_down();
    assert_eq!(done.iter().collect::<Vec<_>>(), [(0, true), (1, true), (2, false), (3, true)]);
}

#[test]
fn a_locked_file_fails_the_write_and_not_the_store() {
    let dir = Dir::new();
    let opened = open_with(&dir, StoreOptions { lock_timeout: Duration::from_millis(20), ..standing() });
    let other = Connection::open(dir.db()).expect("a second connection");
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    for token in 0..5 {
        opened.store.write(token, Write::PutCall(call(&format!("SCL_{token}"), 1)));
    }
    for token in 0..5 {
        let (of, result) = opened.done.recv().expect("a completion");
        assert_eq!(of, token);
        assert!(result.expect_err("locked").contains("locked"));
    }
    other.execute_batch("ROLLBACK").expect("released");
    opened.write(Write::PutCall(call("SCL_1", 1))).expect("stored");
    assert_eq!(opened.store.reader().calls(9, None).expect("calls").len(), 1);
}

/// A store whose writer waits inside the callback of token 0 until told.
fn held(dir: &Dir) -> (Store, mpsc::Sender<()>, mpsc::Receiver<(u64, bool)>) {
    let (release, blocked) = mpsc::channel::<()>();
    let (entered, waiting) = mpsc::channel::<()>();
    let (sender, done) = mpsc::channel();
    let completed = Box::new(move |token: u64, result: Result<(), String>| {
        if token == 0 {
            let _ = entered.send(());
            let _ = blocked.recv();
        }
        let _ = sender.send((token, result.is_ok()));
    });
    let (store, _) = Store::open(&dir.0, StoreOptions { completed, ..standing() }).expect("opens");
    store.write(0, Write::DeleteRule("SDR_1".into()));
    waiting.recv().expect("the writer waits");
    (store, release, done)
}

#[test]
fn what_waits_is_committed_together() {
    let dir = Dir::new();
    let (store, release, done) = held(&dir);
    for token in 1..=2_048 {
        store.write(token, Write::PutCall(ended(call(&format!("SCL_{token}"), 1), 2)));
    }
    release.send(()).expect("the writer waits");
    assert!(done.iter().take(2_049).all(|(_, ok)| ok));
    assert_eq!(store.counts().commits, 3, "one, then two groups of 1,024");
}

#[test]
fn a_full_queue_refuses_and_still_answers_each_token() {
    let dir = Dir::new();
    let (store, release, done) = held(&dir);
    for token in 1..=16_384 + 10 {
        store.write(token, Write::DeleteRule("SDR_1".into()));
    }
    release.send(()).expect("the writer waits");
    store.shut_down();
    let mut results: Vec<_> = done.iter().collect();
    results.sort_unstable();
    assert_eq!(results.len(), 1 + 16_384 + 10);
    assert!(results.iter().all(|(token, ok)| *ok == (*token <= 16_384)));
}

#[test]
fn a_full_queue_sheds_ladders_and_counts_them() {
    let dir = Dir::new();
    let (store, release, _done) = held(&dir);
    for number in 0..16_384 + 10 {
        store.ladder(format!("SCL_{}", number / 60).into(), rung(number, "x"));
    }
    assert_eq!(store.counts().ladders_shed, 10);
    release.send(()).expect("the writer waits");
}

#[test]
fn a_callback_that_panics_does_not_end_the_writer() {
    let dir = Dir::new();
    let (sender, done) = mpsc::channel();
    let completed = Box::new(move |token: u64, _: Result<(), String>| {
        assert_ne!(token, 1, "on purpose");
        let _ = sender.send(token);
    });
    let (store, _) = Store::open(&dir.0, StoreOptions { completed, ..standing() }).expect("opens");
    store.write(1, Write::DeleteRule("SDR_1".into()));
    store.write(2, Write::DeleteRule("SDR_1".into()));
    assert_eq!(done.recv().expect("the writer lives"), 2);
}

#[test]
fn a_second_store_in_the_same_directory_is_refused() {
    let dir = Dir::new();
    let opened = open(&dir);
    opened.write(Write::PutCall(call("SCL_1", 1))).expect("stored");
    assert!(matches!(Store::open(&dir.0, standing()), Err(Error::InUse { .. })));
    opened.store.shut_down();
    assert_eq!(open(&dir).loaded.orphans.len(), 1, "the refused one closed nothing");
}

#[test]
fn a_newer_file_is_refused_and_left_alone() {
    let dir = Dir::new();
    drop(open(&dir));
    let connection = Connection::open(dir.db()).expect("opens");
    connection.pragma_update(None, "user_version", 2).expect("changed");
    drop(connection);
    let before = fs::read(dir.db()).expect("read");
    let error = Store::open(&dir.0, standing()).err().expect("refused");
    assert!(matches!(error, Error::Newer { found: 2, known: 1 }), "{error}");
    assert!(error.to_string().contains('2'));
    assert_eq!(fs::read(dir.db()).expect("read"), before);
}

#[test]
fn a_broken_record_is_named() {
    let dir = Dir::new();
    drop(open(&dir));
    let connection = Connection::open(dir.db()).expect("opens");
    connection.execute_batch("INSERT INTO rules (id, record) VALUES ('SDR_bad', '{')").expect("written");
    drop(connection);
    let error = Store::open(&dir.0, standing()).err().expect("refused");
    assert!(error.to_string().contains("SDR_bad"), "{error}");
}

#[test]
fn something_that_is_no_store_is_refused() {
    let dir = Dir::new();
    fs::create_dir_all(&dir.0).expect("a directory");
    fs::write(dir.db(), "this is not a database, but long enough to be taken for one".repeat(20)).expect("written");
    assert!(matches!(Store::open(&dir.0, standing()), Err(Error::Sqlite(_))));
}

#[test]
fn nobody_else_may_read_the_files() {
    let dir = Dir::new();
    let opened = open(&dir);
    opened.write(Write::PutCall(call("SCL_1", 1))).expect("stored");
    let mut names = 0;
    for entry in fs::read_dir(&dir.0).expect("listed") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("its mode").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
        names += 1;
    }
    assert_eq!(names, 4, "the file, -wal, -shm and the lock");
}
