//! Opus on the SIP leg.

use super::sides::{local, theirs};
use crate::{
    AudioCodec::{Opus, Pcmu},
    answer, offer,
};

#[test]
fn an_offer_names_both_clocks_of_events() {
    let text = offer(&local(&[Opus, Pcmu])).print();
    assert!(text.contains(
        "m=audio 30000 RTP/AVP 102 0 101 103\r\na=rtpmap:102 opus/48000/2\r\n\
         a=fmtp:102 maxplaybackrate=48000;useinbandfec=1\r\na=rtpmap:0 PCMU/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=rtpmap:103 telephone-event/48000\r\n"
    ));
}

#[test]
fn an_answer_keeps_their_payload_types_and_takes_the_clock_of_the_codec() {
    let asked = theirs(
        "m=audio 4000 RTP/AVP 96 0 97 98\na=rtpmap:96 OPUS/48000/2\na=fmtp:96 useinbandfec=1;maxplaybackrate=16000\n\
         a=rtpmap:97 telephone-event/8000\na=rtpmap:98 telephone-event/48000\na=ptime:30\n",
    );
    let (answer, agreed) = answer(&asked, &local(&[Opus, Pcmu])).unwrap();
    assert_eq!((agreed.codec, agreed.payload_type), (Opus, 96));
    assert_eq!((agreed.telephone_event, agreed.telephone_event_rate), (Some(98), 48_000));
    let opus = agreed.opus.unwrap();
    assert_eq!((opus.fec, opus.max_playback_rate), (true, 16_000));
    assert_eq!(agreed.ptime_ms, 20, "Opus has no frame of 30 ms");
    let text = answer.print();
    assert!(text.contains("m=audio 30000 RTP/AVP 96 98\r\na=rtpmap:96 opus/48000/2\r\n"), "{text}");

    let (_, agreed) = crate::answer(&asked, &local(&[Pcmu, Opus])).unwrap();
    assert_eq!((agreed.codec, agreed.telephone_event, agreed.opus), (Pcmu, Some(97), None));
}

#[test]
fn a_far_end_with_another_clock_is_no_opus() {
    let asked = theirs("m=audio 4000 RTP/AVP 96\na=rtpmap:96 opus/16000\n");
    assert_eq!(answer(&asked, &local(&[Opus])).unwrap_err().status(), 488);
}
