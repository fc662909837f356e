//! Ladders: in order, bounded per call, in bytes and in age.

use crate::fixture::{Dir, NOW_MS, open, open_with, rung, standing};
use rusqlite::Connection;
use std::time::Duration;
use trunkline_store::StoreOptions;
use trunkline_types::limits;

#[test]
fn a_ladder_comes_back_in_order_and_no_longer_than_it_may() {
    let dir = Dir::new();
    let opened = open(&dir);
    let now_us = NOW_MS * 1_000;
    for number in (0..limits::LADDER_ENTRIES as i64).rev() {
        opened.store.ladder("SCL_1".into(), rung(now_us + number, "BYE\r\n\u{fffd}"));
    }
    opened.store.ladder("SCL_1".into(), rung(now_us - 1, "one too many"));
    opened.store.ladder("SCL_2".into(), rung(now_us, "another call"));
    let reader = opened.store.reader();
    opened.store.shut_down();
    let ladder = reader.ladder("SCL_1").expect("a ladder");
    assert_eq!(ladder.len(), limits::LADDER_ENTRIES);
    assert!(ladder.iter().map(|entry| entry.at_us).eq(now_us..now_us + limits::LADDER_ENTRIES as i64));
    assert_eq!(ladder.first().map(|entry| entry.text.as_str()), Some("BYE\r\n\u{fffd}"));
    assert_eq!(reader.ladder("SCL_2").expect("a ladder").len(), 1);
}

fn kept(dir: &Dir) -> (i64, i64) {
    let connection = Connection::open(dir.db()).expect("opens");
    connection
        .query_row("SELECT count(*), coalesce(min(at_us), 0) FROM ladder", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("counted")
}

#[test]
fn the_oldest_entries_go_when_there_are_too_many_bytes() {
    let dir = Dir::new();
    let opened = open_with(&dir, StoreOptions { retain_ladder_bytes: 200_000, ..standing() });
    let now_us = NOW_MS * 1_000;
    for number in 0..4_000 {
        opened.store.ladder(format!("SCL_{}", number / 50).into(), rung(now_us + number, &"x".repeat(900)));
    }
    opened.store.shut_down();
    let (count, oldest) = kept(&dir);
    assert!(count < 600, "{count} of about a kilobyte each");
    assert_eq!(oldest, now_us + 4_000 - count, "the newest are kept");
}

#[test]
fn entries_go_when_they_are_too_old() {
    let dir = Dir::new();
    let options = || StoreOptions { retain_ladders: Duration::from_secs(60), ..standing() };
    let opened = open_with(&dir, options());
    let limit_us = (NOW_MS - 60_000) * 1_000;
    for at_us in [limit_us - 1, limit_us, limit_us + 1] {
        opened.store.ladder("SCL_1".into(), rung(at_us, "x"));
    }
    opened.store.shut_down();
    // The next start looks at the age again.
    let opened = open_with(&dir, options());
    opened.write(trunkline_store::Write::DeleteRule("SDR_1".into())).expect("stored");
    opened.write(trunkline_store::Write::DeleteRule("SDR_1".into())).expect("stored");
    drop(opened);
    assert_eq!(kept(&dir), (2, limit_us));
}
