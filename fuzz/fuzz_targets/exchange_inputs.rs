//! A sequence of datagrams, each behind its length in two bytes: none of them panics.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use trunkline_sip::Message;

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    while let [high, low, tail @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(tail.len());
        let (datagram, after) = tail.split_at(length);
        let _ = Message::parse(Bytes::copy_from_slice(datagram));
        rest = after;
    }
});
