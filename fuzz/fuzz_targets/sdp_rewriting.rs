//! SDP of WebRTC clients: read, and rewritten with an assignment for every section that was read.
//! What comes out is read again and has the same sections.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline_sdp::webrtc::{Assigned, rewrite, sections};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(read) = sections(text) else {
        let _ = rewrite(text, &[].into(), Some(16_000));
        return;
    };
    let assigned = read
        .iter()
        .step_by(2)
        .map(|s| (s.mid.clone(), Assigned { stream: "PA_a|TR_b".into(), track: "TR_b".into() }))
        .collect();
    let rewritten = rewrite(text, &assigned, Some(16_000));
    let again = sections(&rewritten).expect("what was rewritten is not read again");
    assert_eq!(again.len(), read.len());
});
