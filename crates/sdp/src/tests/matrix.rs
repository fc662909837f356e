//! Codecs, events, packet lengths, directions, addresses and m-lines, each with each.

use super::sides::{everything, local, theirs};
use crate::{AudioCodec, Direction, Error, Session, accept_answer, answer, offer};
use AudioCodec::{G722, Pcma, Pcmu};

/// Payload type and the lines that name it.
fn line(codec: AudioCodec, dynamic: u8, named: bool) -> (u8, String) {
    let payload_type = AudioCodec::from_static(codec.payload_type()).map_or(dynamic, AudioCodec::payload_type);
    let channels = if codec.channels() > 0 { format!("/{}", codec.channels()) } else { String::new() };
    let named = named || payload_type == dynamic;
    let map = format!("a=rtpmap:{payload_type} {}/{}{channels}\n", codec.name().to_lowercase(), codec.clock_rate());
    (payload_type, if named { map } else { String::new() })
}

#[test]
fn every_codec_with_every_event_and_packet_length() {
    for codec in AudioCodec::ALL {
        for event in [None, Some("101 telephone-event/8000"), Some("97 Telephone-Event/8000")] {
            for (ptime, maxptime) in
                [None, Some(5), Some(10), Some(20), Some(30), Some(40), Some(50), Some(60), Some(200)]
                    .into_iter()
                    .flat_map(|p| [None, Some(20), Some(40)].map(|m| (p, m)))
            {
                for named in [false, true] {
                    let (pt, map) = line(*codec, 111, named);
                    let mut text = format!("m=audio 4000 RTP/AVP {pt}");
                    if let Some(event) = event {
                        text += &format!(" {}\na=rtpmap:{event}", event.split(' ').next().unwrap());
                    }
                    text += &format!("\n{map}");
                    text += &ptime.map_or(String::new(), |p| format!("a=ptime:{p}\n"));
                    text += &maxptime.map_or(String::new(), |p| format!("a=maxptime:{p}\n"));
                    let (answer, agreed) = answer(&theirs(&text), &everything()).unwrap();
                    assert_eq!((agreed.codec, agreed.payload_type), (*codec, pt), "{text}");
                    let event = event.and_then(|e| e.split(' ').next()?.parse().ok());
                    assert_eq!((agreed.telephone_event, agreed.telephone_event_rate), (event, 8_000));
                    let wanted = ptime.unwrap_or(20).min(maxptime.unwrap_or(60)).clamp(10, 60);
                    assert!(agreed.ptime_ms <= wanted && agreed.ptime_ms + 10 >= wanted, "{text}");
                    assert_eq!(Session::parse(answer.print().as_bytes()).unwrap(), answer);
                    assert_eq!(answer.media[0].formats.len(), 1 + usize::from(event.is_some()));
                }
            }
        }
    }
}

#[test]
fn our_preference_decides_an_offer_and_theirs_an_answer() {
    let asked = theirs("m=audio 4000 RTP/AVP 0 8 9\n");
    for (ours, expected) in [([G722, Pcmu], G722), ([Pcma, G722], Pcma), ([Pcmu, Pcma], Pcmu)] {
        assert_eq!(answer(&asked, &local(&ours)).unwrap().1.codec, expected);
    }
    let ours = local(&[G722, Pcmu, Pcma]);
    let agreed = accept_answer(
        &offer(&ours),
        &theirs("m=audio 4000 RTP/AVP 8 0 101\na=rtpmap:101 telephone-event/8000\n"),
        &ours,
    );
    let agreed = agreed.unwrap();
    assert_eq!((agreed.codec, agreed.payload_type, agreed.telephone_event), (Pcma, 8, Some(101)));
}

#[test]
fn what_nobody_speaks_is_not_acceptable() {
    let ours = local(&[Pcmu]);
    for (lines, expected) in [
        ("m=audio 4000 RTP/AVP 18\na=rtpmap:18 G729/8000\n", 488),
        ("m=audio 4000 RTP/AVP 96\na=rtpmap:96 PCMU/16000\n", 488),
        ("m=audio 4000 RTP/AVP 96\na=rtpmap:96 PCMU/8000/2\n", 488),
        ("m=audio 4000 RTP/AVP 200\na=rtpmap:200 PCMU/8000\n", 488),
        ("m=audio 0 RTP/AVP 0\n", 488),
        ("m=audio 4000 UDP/TLS/RTP/SAVPF 0\n", 488),
        ("m=video 4000 RTP/AVP 0\n", 488),
        ("", 488),
        ("m=audio 4000 RTP/AVP 0\nc=IN IP4 media.example.com\n", 400),
    ] {
        assert_eq!(answer(&theirs(lines), &ours).unwrap_err().status(), expected, "{lines}");
    }
    let asked = offer(&ours);
    assert_eq!(accept_answer(&asked, &theirs("m=audio 1 RTP/AVP 8\n"), &ours).unwrap_err().status(), 488);
    assert_eq!(accept_answer(&asked, &theirs("m=audio 0 RTP/AVP 0\n"), &ours), Err(Error::NoAudio));
    assert_eq!(accept_answer(&asked, &theirs(""), &ours), Err(Error::Mismatch));
}

#[test]
fn directions_mirror_at_either_level() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    let cases = [
        (SendRecv, SendRecv, SendRecv, false),
        (SendOnly, SendRecv, RecvOnly, true),
        (RecvOnly, SendRecv, SendOnly, false),
        (Inactive, SendRecv, Inactive, true),
        (SendRecv, SendOnly, SendOnly, false),
        (SendOnly, SendOnly, Inactive, true),
        (RecvOnly, RecvOnly, Inactive, false),
    ];
    for (asked, ours, expected, held) in cases {
        for at_media in [false, true] {
            let attribute = format!("a={}\n", asked.as_str());
            let (before, after) = if at_media { ("a=inactive\n", &attribute[..]) } else { (&attribute[..], "") };
            let mut side = local(&[Pcmu]);
            side.direction = ours;
            let (answer, agreed) = answer(&theirs(&format!("{before}m=audio 4000 RTP/AVP 0\n{after}")), &side).unwrap();
            assert_eq!((agreed.direction, agreed.held), (expected, held), "{asked:?} {ours:?}");
            assert_eq!(answer.media[0].direction, Some(expected));
        }
    }
}

#[test]
fn addresses_are_taken_from_the_nearest_line() {
    for (lines, expected) in [
        ("m=audio 4000 RTP/AVP 0\n", Some("203.0.113.9:4000")),
        ("m=audio 4000 RTP/AVP 0\nc=IN IP4 203.0.113.10\n", Some("203.0.113.10:4000")),
        ("m=audio 4000 RTP/AVP 0\nc=IN IP4 203.0.113.10/127\n", Some("203.0.113.10:4000")),
        ("m=audio 4000 RTP/AVP 0\nc=IN IP6 2001:db8::9\n", Some("[2001:db8::9]:4000")),
        ("m=audio 4000 RTP/AVP 0\nc=IN IP6 [2001:db8::9]\n", Some("[2001:db8::9]:4000")),
        ("m=audio 4000 RTP/AVP 0\nc=IN IP4 0.0.0.0\n", None),
        ("m=audio 4000 RTP/AVP 0\nc=IN IP6 ::\n", None),
    ] {
        let (answer, agreed) = answer(&theirs(lines), &local(&[Pcmu])).unwrap();
        assert_eq!(agreed.remote, expected.map(|a| a.parse().unwrap()), "{lines}");
        assert_eq!(agreed.held, expected.is_none());
        assert_eq!(answer.media[0].direction, Some(Direction::SendRecv));
    }
    let bare = Session::parse(b"v=0\no=- 1 1 IN IP4 203.0.113.8\nm=audio 4000 RTP/AVP 0\n").unwrap();
    let agreed = answer(&bare, &local(&[Pcmu])).unwrap().1;
    assert_eq!(agreed.remote, Some("203.0.113.8:4000".parse().unwrap()));
    assert_eq!(agreed.remote_rtcp, Some("203.0.113.8:4001".parse().unwrap()));
}

#[test]
fn rtcp_goes_where_it_is_wanted() {
    let agreed = |lines: &str| answer(&theirs(lines), &local(&[Pcmu])).unwrap().1;
    let named = agreed("m=audio 4000 RTP/AVP 0\na=rtcp:4009\n");
    assert_eq!((named.remote_rtcp, named.rtcp_mux), (Some("203.0.113.9:4009".parse().unwrap()), false));
    let mux = agreed("m=audio 4000 RTP/AVP 0\na=rtcp-mux\n");
    assert_eq!((mux.remote_rtcp, mux.rtcp_mux), (None, true));
    assert_eq!(agreed("m=audio 65535 RTP/AVP 0\n").remote_rtcp, None);
}

#[test]
fn of_many_streams_one_is_taken_and_the_others_refused_in_their_order() {
    let asked = theirs(
        "m=video 9 RTP/AVP 96\na=rtpmap:96 VP8/90000\nm=audio 0 RTP/AVP 0\nm=audio 4000 RTP/AVP 18\n\
         a=rtpmap:18 G729/8000\nm=audio 4002 RTP/AVP 8 0\nm=audio 4004 RTP/AVP 0\nm=image 4006 udptl t38\n\
         m=application 9 TCP/MRCPv2\n",
    );
    let (answer, agreed) = answer(&asked, &local(&[Pcmu])).unwrap();
    assert_eq!(agreed.remote.unwrap().port(), 4002);
    let lines: Vec<_> = answer.media.iter().map(|m| (m.kind.as_str(), m.port, m.formats[0].token.as_str())).collect();
    assert_eq!(
        lines,
        [
            ("video", 0, "96"),
            ("audio", 0, "0"),
            ("audio", 0, "18"),
            ("audio", 30_000, "0"),
            ("audio", 0, "0"),
            ("image", 0, "t38"),
            ("application", 0, "0"),
        ]
    );
}

#[test]
fn both_ends_of_ours_agree_without_an_offer_in_the_invite() {
    for codec in AudioCodec::ALL {
        let near = everything();
        let mut far = local(&[*codec]);
        far.address = "198.51.100.7".parse().unwrap();
        let ours = offer(&near);
        let (answer, theirs) = answer(&Session::parse(ours.print().as_bytes()).unwrap(), &far).unwrap();
        let agreed = accept_answer(&ours, &Session::parse(answer.print().as_bytes()).unwrap(), &near).unwrap();
        assert_eq!((agreed.codec, agreed.payload_type), (theirs.codec, theirs.payload_type));
        assert_eq!(agreed.telephone_event, theirs.telephone_event);
        assert_eq!(agreed.telephone_event_rate, codec.clock_rate());
        assert_eq!(agreed.remote.unwrap().ip(), far.address);
    }
}
