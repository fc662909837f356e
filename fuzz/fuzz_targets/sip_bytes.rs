//! Any bytes: parsing never panics, what parses can be asked everything, and it is written again as
//! it was read.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use trunkline_sip::Message;

fuzz_target!(|data: &[u8]| {
    let input = Bytes::copy_from_slice(data);
    let Ok(message) = Message::parse(input.clone()) else { return };
    assert_eq!(message.to_bytes(), input);
    assert_eq!(message.is_request(), message.status().is_none());
    let _ = (message.method(), message.reason(), message.request_uri(), message.start_line());
    let _ = (message.from(), message.to(), message.contact(), message.cseq(), message.call_id());
    let _ = (message.sdp(), message.content_type(), message.body());
    for (name, _) in message.headers() {
        assert!(message.header(&name).is_some());
        assert!(!message.header_values(&name).is_empty());
    }
});
