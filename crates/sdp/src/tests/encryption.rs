//! Off, allow and require against what far ends offer and answer.

use super::sides::{local, security, theirs};
use crate::{
    AudioCodec::{Pcma, Pcmu},
    Encryption::{Allow, Off, Require},
    Error, Session, accept_answer_with, answer_with, offer_with,
};

const KEY_30: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

fn offered(profile: &str, crypto: &[&str]) -> Session {
    let lines: String = crypto.iter().map(|line| format!("a=crypto:{line}\n")).collect();
    theirs(&format!("m=audio 4000 {profile} 0\n{lines}"))
}

fn key(tag: u32, suite: &str) -> String {
    format!("{tag} {suite} inline:{KEY_30}")
}

#[test]
fn each_policy_answers_each_offer() {
    let good = key(5, "AES_CM_128_HMAC_SHA1_80");
    let strange = key(1, "F8_128_HMAC_SHA1_80");
    let none: &[&str] = &[];
    let (good, strange): (&[&str], &[&str]) = (&[&good], &[&strange]);
    let cases = [
        (Off, "RTP/AVP", none, Ok(false)),
        (Off, "RTP/AVP", good, Ok(false)),
        (Off, "RTP/SAVP", good, Err(Error::EncryptionOff)),
        (Off, "RTP/SAVPF", none, Err(Error::EncryptionOff)),
        (Allow, "RTP/AVP", none, Ok(false)),
        (Allow, "RTP/AVP", good, Ok(true)),
        (Allow, "RTP/AVP", strange, Ok(false)),
        (Allow, "RTP/SAVP", good, Ok(true)),
        (Allow, "rtp/savpf", good, Ok(true)),
        (Allow, "RTP/SAVP", strange, Err(Error::NoCommonCrypto)),
        (Allow, "RTP/SAVP", none, Err(Error::NoCommonCrypto)),
        (Require, "RTP/AVP", none, Err(Error::NoCommonCrypto)),
        (Require, "RTP/AVP", good, Ok(true)),
        (Require, "RTP/SAVP", good, Ok(true)),
        (Require, "RTP/SAVP", strange, Err(Error::NoCommonCrypto)),
        (Require, "RTP/SAVP", none, Err(Error::NoCommonCrypto)),
        (Require, "UDP/TLS/RTP/SAVPF", good, Err(Error::NoAudio)),
    ];
    for (policy, profile, crypto, expected) in cases {
        let result = answer_with(&offered(profile, crypto), &local(&[Pcmu]), &security(policy));
        match (&result, &expected) {
            (Ok((answer, agreed)), Ok(encrypted)) => {
                assert_eq!(agreed.crypto.is_some(), *encrypted, "{policy:?} {profile}");
                assert_eq!(answer.media[0].profile, profile, "the profile of an answer is the offer's");
                assert_eq!(answer.media[0].crypto.len(), usize::from(*encrypted));
            }
            (Err(error), Err(wanted)) => {
                assert_eq!(error, wanted, "{policy:?} {profile}");
                assert_eq!(error.status(), 488);
            }
            _ => panic!("{policy:?} {profile} {crypto:?}: {result:?}"),
        }
    }
}

#[test]
fn our_order_picks_the_suite_and_their_tag_names_it() {
    let lines = [
        key(1, "F8_128_HMAC_SHA1_80"),
        format!("2 AES_256_CM_HMAC_SHA1_80 inline:{}", "B".repeat(62)),
        key(3, "AES_CM_128_HMAC_SHA1_32"),
        format!("{} UNENCRYPTED_SRTP", key(4, "AES_CM_128_HMAC_SHA1_80")),
        format!("9 aes_cm_128_hmac_sha1_80 inline:{KEY_30}|2^20|7:2"),
    ];
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let (answer, agreed) = answer_with(&offered("RTP/SAVP", &lines), &local(&[Pcmu]), &security(Allow)).unwrap();
    let crypto = agreed.crypto.unwrap();
    assert_eq!((crypto.tag, crypto.suite), (9, "AES_CM_128_HMAC_SHA1_80"));
    assert_eq!(crypto.local, (0..30).collect::<Vec<u8>>());
    assert_eq!((crypto.remote.len(), &crypto.remote_mki[..]), (30, &[0, 7][..]));
    let line = &answer.media[0].crypto[0];
    assert_eq!((line.tag, &line.key, line.mki.len()), (9, &crypto.local, 0));
    assert!(!format!("{crypto:?} {:?}", security(Allow)).contains("[0, 1, 2"));
}

#[test]
fn gcm_is_spoken_with_those_who_have_nothing_else() {
    for (suite, characters, bytes) in [("AEAD_AES_128_GCM", 38, 28), ("AEAD_AES_256_GCM", 59, 44)] {
        let line = format!("1 {suite} inline:{}", "A".repeat(characters));
        let (_, agreed) = answer_with(&offered("RTP/SAVP", &[&line]), &local(&[Pcmu]), &security(Require)).unwrap();
        let crypto = agreed.crypto.unwrap();
        assert_eq!((crypto.suite, crypto.local.len(), crypto.remote.len()), (suite, bytes, bytes));
    }
}

#[test]
fn of_two_streams_the_encrypted_one_is_taken_if_it_may_be() {
    let asked = theirs(&format!(
        "m=audio 4000 RTP/AVP 0\nm=audio 4002 RTP/SAVP 0\na=crypto:{}\nm=audio 4004 RTP/SAVP 0\n",
        key(1, "AES_CM_128_HMAC_SHA1_80")
    ));
    for (policy, port) in [(Off, 4000), (Allow, 4002), (Require, 4002)] {
        let (answer, agreed) = answer_with(&asked, &local(&[Pcmu]), &security(policy)).unwrap();
        assert_eq!(agreed.remote.unwrap().port(), port);
        assert_eq!(answer.media.iter().filter(|m| m.port != 0).count(), 1);
    }
}

#[test]
fn each_policy_concludes_each_answer() {
    let line = |tag: u32, suite: &str| format!("a=crypto:{}\n", key(tag, suite));
    let good = line(2, "AES_CM_128_HMAC_SHA1_32");
    let cases = [
        (Off, "RTP/AVP", String::new(), Ok(None)),
        (Off, "RTP/SAVP", good.clone(), Err(Error::EncryptionOff)),
        (Allow, "RTP/AVP", String::new(), Ok(None)),
        (Allow, "RTP/AVP", good.clone(), Ok(Some(2))),
        (Allow, "RTP/AVP", line(1, "AES_CM_128_HMAC_SHA1_32"), Ok(None)),
        (Allow, "RTP/SAVP", String::new(), Err(Error::NoCommonCrypto)),
        (Require, "RTP/SAVP", good, Ok(Some(2))),
        (Require, "RTP/SAVP", line(1, "AES_CM_128_HMAC_SHA1_32"), Err(Error::NoCommonCrypto)),
        (Require, "RTP/SAVP", line(7, "AES_CM_128_HMAC_SHA1_80"), Err(Error::NoCommonCrypto)),
        (Require, "RTP/SAVP", String::new(), Err(Error::NoCommonCrypto)),
    ];
    let ours = local(&[Pcmu, Pcma]);
    for (policy, profile, lines, expected) in cases {
        let offer = offer_with(&ours, &security(policy));
        let answer = theirs(&format!("m=audio 4000 {profile} 0\n{lines}"));
        let agreed = accept_answer_with(&offer, &answer, &ours, &security(policy));
        assert_eq!(agreed.map(|a| a.crypto.map(|c| c.tag)), expected, "{policy:?} {profile} {lines}");
    }
}

#[test]
fn two_ends_of_ours_have_each_others_keys() {
    for (caller, callee, encrypted) in
        [(Allow, Allow, true), (Allow, Off, false), (Off, Allow, false), (Require, Allow, true), (Allow, Require, true)]
    {
        let ours = local(&[Pcmu]);
        let offer = offer_with(&ours, &security(caller));
        let read = Session::parse(offer.print().as_bytes()).unwrap();
        let (answer, far) = answer_with(&read, &ours, &security(callee)).unwrap();
        let answer = Session::parse(answer.print().as_bytes()).unwrap();
        let near = accept_answer_with(&offer, &answer, &ours, &security(caller)).unwrap();
        assert_eq!((near.crypto.is_some(), far.crypto.is_some()), (encrypted, encrypted));
        if let (Some(near), Some(far)) = (near.crypto, far.crypto) {
            assert_eq!((near.tag, near.suite, &near.local), (far.tag, far.suite, &far.remote));
            assert_eq!(near.remote, far.local);
        }
    }
    let ours = local(&[Pcmu]);
    let plain = offer_with(&ours, &security(Off));
    assert_eq!(answer_with(&plain, &ours, &security(Require)).unwrap_err(), Error::NoCommonCrypto);
}
