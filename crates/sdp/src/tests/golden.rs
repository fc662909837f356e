//! Whole descriptions, to the letter.

use super::sides::{local, security, theirs};
use crate::{AudioCodec, Encryption, Session, answer, offer, offer_with};
use AudioCodec::{G722, Pcma, Pcmu};

#[test]
fn an_answer_to_a_carrier() {
    let asked = theirs(
        "m=audio 4000 RTP/AVP 8 0 18 101\na=rtpmap:8 PCMA/8000\na=rtpmap:0 PCMU/8000\na=rtpmap:18 G729/8000\n\
         a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\na=ptime:20\na=sendrecv\nm=video 4002 RTP/AVP 99\n\
         a=rtpmap:99 H264/90000\n",
    );
    let (answer, _) = answer(&asked, &local(&[G722, Pcmu, Pcma])).unwrap();
    assert_eq!(
        answer.print(),
        "v=0\r\no=- 77 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=audio 30000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\nm=video 0 RTP/AVP 99\r\n"
    );
}

#[test]
fn an_offer_of_ours() {
    assert_eq!(
        offer(&local(&[G722, Pcmu])).print(),
        "v=0\r\no=- 77 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=audio 30000 RTP/AVP 9 0 101\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
    );
}

#[test]
fn an_offer_of_ours_with_keys() {
    let text = offer_with(&local(&[Pcmu]), &security(Encryption::Require)).print();
    assert!(text.contains("m=audio 30000 RTP/SAVP 0 101\r\n"));
    assert!(
        text.contains(
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\na=crypto:2 "
        ),
        "{text}"
    );
    assert_eq!(text.matches("a=crypto:").count(), 6);
}

#[test]
fn over_ipv6_the_lines_say_so() {
    let mut six = local(&[Pcmu]);
    six.address = "2001:db8::1".parse().unwrap();
    let text = offer(&six).print();
    assert!(text.contains("o=- 77 1 IN IP6 2001:db8::1\r\n") && text.contains("c=IN IP6 2001:db8::1\r\n"));
}

#[test]
fn what_is_printed_is_read_the_same() {
    let asked = theirs(
        "a=sendonly\nm=audio 4000 RTP/SAVP 96 101\nc=IN IP6 2001:db8::2\na=rtpmap:96 L16/16000/2\na=fmtp:96 a=b;c\n\
         a=rtpmap:101 telephone-event/8000\na=crypto:4 AES_CM_128_HMAC_SHA1_32 \
         inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4\na=ptime:30\na=maxptime:40\na=rtcp:4005\n\
         a=rtcp-mux\na=inactive\nm=image 0 udptl t38\n",
    );
    assert_eq!(Session::parse(asked.print().as_bytes()).unwrap(), asked);
    assert_eq!(asked.media[0].formats[0].channels, 2);
    assert_eq!(asked.media[0].crypto[0].mki, [0, 0, 0, 1]);
}
