//! Any bytes: parsing never panics, and what parses is written again as it was read.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use trunkline_sip::Message;

fuzz_target!(|data: &[u8]| {
    let input = Bytes::copy_from_slice(data);
    if let Ok(message) = Message::parse(input.clone()) {
        assert_eq!(message.to_bytes(), input);
    }
});
