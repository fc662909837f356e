//! Thousands of damaged torture messages: nothing panics, what parses prints as it came, a stream
//! gives the same wherever it is cut, and no answer has a line that its request did not end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use bytes::Bytes;
use std::{fs, path::PathBuf, time::Duration};
use trunkline_sip::{
    Action, Message, Stack, StackConfig, StreamReader,
    flow::{Flow, Protocol, Received},
};
use trunkline_types::{Random, Time};

const MUTANTS: usize = 6_000;
/// What parsers have stumbled over.
const SPICES: [&str; 16] = [
    "\r\n",
    "\r\n\r\n",
    "\r",
    "\n",
    "\0",
    ":",
    ";",
    ",",
    "\"",
    "<",
    ">",
    "@",
    "18446744073709551615",
    "\\",
    " ",
    "l: 0\r\n",
];

fn corpus() -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/torture");
    let mut files: Vec<_> = ["rfc4475", "rfc5118", "amended"]
        .iter()
        .flat_map(|part| fs::read_dir(folder.join(part)).unwrap().map(|entry| entry.unwrap().path()))
        .collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

fn below(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound.max(1) as u64)).unwrap()
}

fn mutant(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = corpus[below(random, corpus.len())].clone();
    for _ in 0..=below(random, 3) {
        let at = below(random, bytes.len());
        let end = (at + below(random, 40)).min(bytes.len());
        match below(random, 6) {
            0 => bytes[at] ^= 1 << below(random, 8),
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
            3 => drop(bytes.splice(at..at, SPICES[below(random, SPICES.len())].bytes())),
            4 => drop(bytes.splice(at..end, SPICES[below(random, SPICES.len())].bytes())),
            _ => {
                let other = &corpus[below(random, corpus.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[below(random, other.len())..]);
            }
        }
        if bytes.is_empty() {
            bytes.push(b'I');
        }
    }
    bytes
}

/// What a stream gave, in a form that can be compared.
fn cut<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<(Bytes, bool)>, bool, bool) {
    let (mut reader, mut whole, mut lost) = (StreamReader::new(), Vec::new(), false);
    for piece in pieces {
        match reader.push(piece) {
            Ok(messages) => {
                for (raw, message) in messages {
                    match message {
                        Err(malformed) if malformed.close => lost = true,
                        message => whole.push((raw, message.is_ok())),
                    }
                }
            }
            Err(_) => lost = true,
        }
    }
    (whole, lost, reader.pending())
}

#[test]
fn damaged_messages_harm_nobody() {
    let (corpus, mut random) = (corpus(), Random::from_number(4475));
    let config = StackConfig { server: "test".into(), advertise: None, trying_after: Duration::from_millis(200) };
    let mut stack = Stack::new(config, Random::from_number(1));
    let (local, remote) = ("10.0.0.1:5060".parse().unwrap(), "10.0.0.2:5060".parse().unwrap());
    let flow = Flow { protocol: Protocol::Udp, local, remote, connection: 0 };
    for number in 0..MUTANTS {
        let bytes = mutant(&corpus, &mut random);
        let shown = || format!("mutant {number}: {:?}", String::from_utf8_lossy(&bytes));
        let raw = Bytes::from(bytes.clone());
        let message = Message::parse(raw.clone());
        let mut answers: Vec<Bytes> = message.as_ref().err().and_then(|m| m.answer.clone()).into_iter().collect();
        if let Ok(message) = &message {
            assert_eq!(message.to_bytes(), raw, "{}", shown());
            let _ = (message.from(), message.to(), message.contact(), message.sdp(), message.headers());
        }
        let (now, mut actions) = (Time::new(number as u64 * 1_000_000_000, 0), Vec::new());
        stack.handle_timeout(now, &mut actions);
        stack.handle(&Received { flow, at: now, raw, message }, now, &mut actions);
        answers.extend(actions.into_iter().filter_map(|action| match action {
            Action::Send(transmit) => Some(transmit.bytes),
            Action::Event(_) => None,
        }));
        for answer in answers {
            let text = String::from_utf8_lossy(&answer).into_owned();
            assert!(text.starts_with("SIP/2.0 ") && text.ends_with("\r\n\r\n"), "{}\n{text}", shown());
            assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "{}\n{text}", shown());
        }
        let size = 1 + below(&mut random, 200);
        assert_eq!(cut(bytes.chunks(size)), cut([&bytes[..]].into_iter()), "{}", shown());
    }
}
