//! LiveKit data packets: stamped as from a client and as from the server. What is stamped says who
//! sent it, and stamping it again changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use livekit_protocol::DataPacket;
use prost::Message;
use trunkline_room::data::{Sender, from_server, stamp};
use trunkline_types::ParticipantSid;

fuzz_target!(|data: &[u8]| {
    let sid = ParticipantSid::from("PA_a");
    let sender = Sender { sid: &sid, identity: "anna", hidden: false, agent: data.len() % 2 == 0 };
    for reliable in [false, true] {
        if let Some(stamped) = stamp(data, &sender, reliable) {
            if let Ok(packet) = DataPacket::decode(stamped.bytes.as_slice()) {
                assert_eq!(packet.participant_sid, "PA_a");
            }
            let again = stamp(&stamped.bytes, &sender, reliable).expect("what was stamped is refused");
            assert_eq!(again.bytes, stamped.bytes);
        }
        let _ = from_server(data, reliable, &["bert".to_owned()]);
    }
});
