//! Callers give up before they are answered.

use crate::phone::{OFFER, Phone, world};
use trunkline_routing::record::{AnswerPolicy, Options};
use trunkline_types::EndReason;

#[test]
fn the_reason_of_a_cancel_is_told() {
    let elsewhere = "SIP;cause=200;text=\"Call completed elsewhere\"";
    for (headers, text, cause) in [
        (String::new(), "the caller gave up while it rang".to_owned(), None),
        (format!("Reason: {elsewhere}\r\n"), format!("the caller gave up while it rang: {elsewhere}"), None),
        (
            "Reason: SIP;cause=487\r\nReason: Q.850;cause=16;text=\"gone\"\r\n".to_owned(),
            "the caller gave up while it rang: SIP;cause=487, Q.850;cause=16;text=\"gone\"".to_owned(),
            Some((16, "gone")),
        ),
    ] {
        let mut world = world(Options { answer_policy: Some(AnswerPolicy::OnAudio), ..Options::default() });
        let mut phone = Phone::new("c");
        let ringing = phone.request(&mut world, "INVITE", "", Some(("application/sdp", OFFER)));
        assert!(ringing.starts_with("SIP/2.0 180"), "{ringing}");
        phone.cancel(&mut world, &headers);
        let ending = world.record().ending.unwrap();
        assert_eq!((ending.reason, ending.sip_status, ending.text), (EndReason::Cancelled, Some(487), text));
        assert_eq!(ending.q850.as_ref().map(|q850| (q850.cause, q850.text.as_str())), cause);
    }
}
