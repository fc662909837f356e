//! What the commands write, and nobody reads.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::{Command, Stdio};

#[test]
fn a_reader_that_has_seen_enough_is_no_fault() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_trunkline"));
    let ended = command.arg("version").stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(ended.status.code(), Some(141), "as a shell tells of a closed pipe");
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
}
