//! Whatever is offered: an answer can be read, and has the offer's m-lines.

use super::sides::{everything, local, security};
use crate::{AudioCodec, Encryption, Session, accept_answer_with, answer_with, offer_with};
use trunkline_types::Random;

fn pick<'a>(random: &mut Random, from: &[&'a str]) -> &'a str {
    from[usize::try_from(random.below(from.len() as u64)).unwrap()]
}

/// A description of lines that belong into one, most of them in their place.
fn generated(random: &mut Random) -> String {
    let session = [
        "s=-\r\n",
        "t=0 0\n",
        "c=IN IP4 203.0.113.9\r\n",
        "c=IN IP6 2001:db8::1\n",
        "c=IN IP4 0.0.0.0\n",
        "a=sendonly\n",
        "b=AS:64\n",
        "a=group:BUNDLE 0\n",
        "i=\u{fffd}x\n",
    ];
    let attributes = [
        "a=rtpmap:0 PCMU/8000\n",
        "a=rtpmap:8 pcma/8000/1\r\n",
        "a=rtpmap:9 G722/8000\n",
        "a=rtpmap:96 opus/48000/2\n",
        "a=rtpmap:101 telephone-event/8000\n",
        "a=rtpmap:97 TELEPHONE-EVENT/48000\n",
        "a=rtpmap:96 AMR/8000\n",
        "a=fmtp:101 0-15\n",
        "a=fmtp:96 useinbandfec=1\n",
        "a=ptime:20\n",
        "a=ptime:0\n",
        "a=ptime:99999999\n",
        "a=maxptime:40.5\n",
        "a=sendrecv\n",
        "a=recvonly\n",
        "a=inactive\n",
        "a=rtcp:4001 IN IP4 203.0.113.9\n",
        "a=rtcp-mux\n",
        "c=IN IP4 203.0.113.10/127\n",
        "c=IN IP6 [2001:db8::2]\n",
        "a=rtpmap:0 \u{85}/8000\n",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4\n",
        "a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n",
        "a=crypto:\n",
        "a=crypto:1 X inline:\n",
        "a=\n",
        "z=\n",
    ];
    let mut text = String::from("v=0\r\no=- 1 2 IN IP4 203.0.113.9\r\n");
    for _ in 0..random.below(5) {
        text += pick(random, &session);
    }
    for _ in 0..random.below(6) {
        let kind = pick(random, &["audio", "audio", "AUDIO", "video", "image", "application", "a=b", "\u{fffd}"]);
        let port = pick(random, &["4000", "4000", "0", "65535", "9/2"]);
        let profile = pick(random, &["RTP/AVP", "RTP/AVP", "RTP/SAVP", "rtp/avpf", "RTP/SAVPF", "udptl"]);
        text += &format!("m={kind} {port} {profile}");
        for _ in 0..random.below(6) {
            text += " ";
            text += pick(random, &["0", "8", "9", "18", "96", "97", "101", "200", "t38", "-1", "+0"]);
        }
        text += "\n";
        for _ in 0..random.below(9) {
            text += pick(random, &attributes);
        }
    }
    text
}

#[test]
fn an_answer_to_anything_can_be_read_and_has_as_many_m_lines() {
    let mut random = Random::from_number(4568);
    let policies = [Encryption::Off, Encryption::Allow, Encryption::Require];
    let mut answered = 0;
    for _ in 0..20_000 {
        let text = generated(&mut random);
        let Ok(offer) = Session::parse(text.as_bytes()) else { continue };
        for policy in policies {
            let security = security(policy);
            let Ok((answer, agreed)) = answer_with(&offer, &everything(), &security) else { continue };
            answered += 1;
            let read = Session::parse(answer.print().as_bytes()).unwrap_or_else(|e| panic!("{e}\n{text}"));
            assert_eq!(read, answer, "{text}");
            assert_eq!(read.media.len(), offer.media.len(), "{text}");
            let live: Vec<_> = read.media.iter().zip(&offer.media).filter(|(ours, _)| ours.port != 0).collect();
            let [(ours, theirs)] = live[..] else { panic!("{text}") };
            assert_eq!((&ours.kind, &ours.profile), (&theirs.kind, &theirs.profile));
            assert!(ours.formats.iter().all(|f| theirs.formats.iter().any(|t| t.token == f.token)), "{text}");
            assert_eq!(agreed.crypto.is_some(), !ours.crypto.is_empty());
            assert!(policy != Encryption::Require || agreed.crypto.is_some());
            assert!(policy != Encryption::Off || agreed.crypto.is_none());
            assert!((10..=60).contains(&agreed.ptime_ms) && agreed.payload_type < 128);
        }
    }
    assert!(answered > 5_000, "{answered}");
}

#[test]
fn two_ends_agree_on_the_same() {
    let mut random = Random::from_number(3264);
    let policies = [Encryption::Off, Encryption::Allow, Encryption::Require];
    for _ in 0..5_000 {
        let mut side = || {
            let codecs: Vec<_> = AudioCodec::ALL.iter().copied().filter(|_| random.below(2) == 0).collect();
            (local(&codecs), security(policies[usize::try_from(random.below(3)).unwrap()]))
        };
        let ((near, near_keys), (far, far_keys)) = (side(), side());
        let offer = offer_with(&near, &near_keys);
        let Ok((answer, theirs)) = answer_with(&offer, &far, &far_keys) else { continue };
        let ours = accept_answer_with(&offer, &answer, &near, &near_keys).unwrap();
        assert_eq!(
            (ours.codec, ours.payload_type, ours.ptime_ms),
            (theirs.codec, theirs.payload_type, theirs.ptime_ms)
        );
        assert_eq!(ours.telephone_event, theirs.telephone_event);
        assert_eq!(ours.crypto.map(|c| (c.local, c.remote)), theirs.crypto.map(|c| (c.remote, c.local)));
    }
}

#[test]
fn whatever_bytes_come_nothing_panics() {
    let mut random = Random::from_number(8866);
    for _ in 0..20_000 {
        let mut bytes = generated(&mut random).into_bytes();
        for _ in 0..random.below(8) {
            let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
            bytes[at] = random.u64() as u8;
        }
        if let Ok(offer) = Session::parse(&bytes)
            && let Ok((answer, _)) = answer_with(&offer, &everything(), &security(Encryption::Allow))
        {
            let read = Session::parse(answer.print().as_bytes());
            assert_eq!(read.map(|r| r.media.len()), Ok(offer.media.len()));
        }
    }
}
