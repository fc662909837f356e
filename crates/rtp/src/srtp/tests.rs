//! The vectors of the RFCs, and what attackers try.

use super::{
    block::BlockKey,
    cipher::Cipher,
    key::{Purpose, SessionKeys, derive},
    *,
};
use crate::{Packet, write_header};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

fn keystream(key: &str, iv: &str, blocks: usize) -> Vec<u8> {
    let mut out = vec![0; blocks * 16];
    BlockKey::new(&hex(key)).unwrap().apply_counter_mode(hex(iv).try_into().unwrap(), &mut out);
    out
}

/// RFC 3711 appendix B.2.
#[test]
fn aes_128_counter_mode() {
    let stream = keystream("2B7E151628AED2A6ABF7158809CF4F3C", "F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000", 3);
    let expected = "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0";
    assert_eq!(stream, hex(expected));
    let far = keystream("2B7E151628AED2A6ABF7158809CF4F3C", "F0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF", 3);
    let expected = "EC8CDF7398607CB0F2D21675EA9EA1E4 362B7C3C6773516318A077D7FC5073AE 6A2CC3787889374FBEB4C81B17BA6C44";
    assert_eq!(far, hex(expected));
}

/// RFC 6188 §7.1 and §7.2.
#[test]
fn aes_256_counter_mode() {
    let stream = keystream(
        "57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98",
        "f0f1f2f3f4f5f6f7f8f9fafbfcfd0000",
        3,
    );
    let expected = "92bdd28a93c3f52511c677d08b5515a4 9da71b2378a854f67050756ded165bac 63c4868b7096d88421b563b8c94c9a31";
    assert_eq!(stream, hex(expected));
}

/// RFC 3711 appendix B.3.
#[test]
fn keys_of_aes_128() {
    let master = hex("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
    let keys = derive(Suite::AesCm128HmacSha1_80, &master, Purpose::Rtp).unwrap();
    assert_eq!(keys.encryption[..16], hex("C61E7A93744F39EE10734AFE3FF7A087"));
    assert_eq!(keys.salt[..], hex("30CBBC08863D8C85D49DB34A9AE1"));
    assert_eq!(keys.authentication[..], hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
}

/// RFC 6188 §7.4.
#[test]
fn keys_of_aes_256() {
    let master = hex("f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6 3b04803de51ee7c96423ab5b78d2");
    let keys = derive(Suite::AesCm256HmacSha1_80, &master, Purpose::Rtp).unwrap();
    assert_eq!(keys.encryption[..], hex("5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4"));
    assert_eq!(keys.salt[..], hex("fa31791685ca444a9e07c6c64e93"));
    assert_eq!(keys.authentication[..], hex("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05"));
}

fn protected(session: &mut Session, packet: &[u8], rtcp: bool) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + MAX_OVERHEAD, 0);
    let length = if rtcp {
        session.protect_rtcp(&mut buffer, packet.len()).unwrap()
    } else {
        session.protect_rtp(&mut buffer, packet.len()).unwrap()
    };
    buffer.truncate(length);
    buffer
}

/// RFC 7714 §16.1 and §16.2: session keys, not master keys.
#[test]
fn gcm_packets_of_the_rfc() {
    let plain =
        hex("8040f17b 8041f8d3 5501a0b2 47616c6c 696120657374206f6d6e69732064697669736120696e207061727465732074726573");
    let cases = [
        (
            Suite::AeadAes128Gcm,
            "000102030405060708090a0b0c0d0e0f",
            "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b
             36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce",
        ),
        (
            Suite::AeadAes256Gcm,
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
            "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f
             1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
        ),
    ];
    for (suite, key, expected) in cases {
        let mut keys = SessionKeys { encryption: [0; 32], salt: [0; 14], authentication: [0; 20] };
        keys.encryption[..suite.key_bytes()].copy_from_slice(&hex(key));
        keys.salt[..12].copy_from_slice(&hex("51756964 2070726f 2071756f"));
        let session = || {
            let cipher = || Cipher::new(suite, &keys).unwrap();
            Session::of(RtpTransform::from_cipher(suite, cipher()), RtcpTransform::from_cipher(suite, cipher()))
        };
        let mut secret = protected(&mut session(), &plain, false);
        assert_eq!(secret, hex(expected), "{suite:?}");
        let length = session().unprotect_rtp(&mut secret).unwrap();
        assert_eq!(secret[..length], plain);
    }
}

/// RFC 7714 §17.1.
#[test]
fn a_gcm_report_of_the_rfc() {
    let mut keys = SessionKeys { encryption: [0; 32], salt: [0; 14], authentication: [0; 20] };
    keys.encryption[..16].copy_from_slice(&hex("000102030405060708090a0b0c0d0e0f"));
    keys.salt[..12].copy_from_slice(&hex("51756964 2070726f 2071756f"));
    let cipher = || Cipher::new(Suite::AeadAes128Gcm, &keys).unwrap();
    let suite = Suite::AeadAes128Gcm;
    let mut session =
        Session::of(RtpTransform::from_cipher(suite, cipher()), RtcpTransform::from_cipher(suite, cipher()));
    let mut secret =
        hex("81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46
         86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4");
    let length = session.unprotect_rtcp(&mut secret).unwrap();
    let plain =
        hex("81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef
         deadbeef deadbeef");
    assert_eq!(secret[..length], plain);
}

/// Packets that libsrtp's test driver publishes, from master key to wire.
#[test]
fn packets_of_another_implementation() {
    let plain = hex("800f1234 decafbad cafebabe abababab abababab abababab abababab");
    let reports = hex("81c8000b cafebabe abababab abababab abababab abababab");
    let master = "e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6";
    let mut session = Session::new(Suite::AesCm128HmacSha1_80, &hex(master)).unwrap();
    let secret = protected(&mut session, &plain, false);
    assert_eq!(secret, hex("800f1234 decafbad cafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb"));
    let secret = protected(&mut session, &reports, true);
    assert_eq!(secret, hex("81c8000b cafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798"));

    let master = "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6 3b04803de51ee7c96423ab5b78d2";
    let mut session = Session::new(Suite::AesCm256HmacSha1_80, &hex(master)).unwrap();
    let secret = protected(&mut session, &plain, false);
    assert_eq!(secret, hex("800f1234 decafbad cafebabe f1d9de17ff251ff1aa007774b0b4b40d a08d9d9a5b3a55d8873b"));

    let master = "000102030405060708090a0b0c0d0e0f a0a1a2a3a4a5a6a7a8a9aaab";
    let mut session = Session::new(Suite::AeadAes128Gcm, &hex(master)).unwrap();
    let secret = protected(&mut session, &plain, false);
    let expected = "800f1234 decafbad cafebabe c5002ede04cfdd2eb91159e0880aa06e d2976826f796b201df3131a127e8a392";
    assert_eq!(secret, hex(expected));
}

fn sessions(suite: Suite, mki: &[u8]) -> (Session, Session) {
    let master: Vec<u8> = (0..suite.key_and_salt_bytes() as u8).collect();
    let session = || Session::with_mki(suite, &master, mki).unwrap();
    (session(), session())
}

fn rtp(sequence: u16, ssrc: u32) -> Vec<u8> {
    let mut bytes = write_header(false, 0, sequence, 0, ssrc).to_vec();
    bytes.extend([0x55; 160]);
    bytes
}

#[test]
fn what_is_protected_is_read_across_roll_overs_losses_and_disorder() {
    for suite in Suite::ALL {
        for mki in [&[][..], &[1], &[1, 2, 3, 4, 5, 6, 7, 8]] {
            let (mut near, mut far) = sessions(suite, mki);
            let mut held = None;
            for n in (0..7_000_u32).filter(|n| n % 3 == 0) {
                let plain = rtp((n as u16).wrapping_add(60_000), 7);
                let mut secret = protected(&mut near, &plain, false);
                assert_eq!(secret.len(), plain.len() + suite.rtp_tag_bytes() + mki.len());
                if n % 50 == 0 {
                    held = Some((secret, plain));
                    continue;
                }
                let length = far.unprotect_rtp(&mut secret).unwrap();
                assert_eq!(secret[..length], plain);
                if let Some((mut secret, plain)) = held.take() {
                    let length = far.unprotect_rtp(&mut secret).unwrap();
                    assert_eq!(secret[..length], plain);
                }
            }
            let plain = crate::rtcp::write(&Default::default(), trunkline_types::Time::default());
            for _ in 0..3 {
                let mut secret = protected(&mut near, &plain, true);
                assert!(crate::rtcp::is_rtcp(&secret));
                let length = far.unprotect_rtcp(&mut secret).unwrap();
                assert_eq!(secret[..length], plain);
            }
        }
    }
}

#[test]
fn nothing_is_accepted_twice_or_sent_twice() {
    for suite in Suite::ALL {
        let (mut near, mut far) = sessions(suite, &[]);
        let packets: Vec<_> = (0..300).map(|n| protected(&mut near, &rtp(n, 7), false)).collect();
        for packet in &packets {
            far.unprotect_rtp(&mut packet.clone()).unwrap();
        }
        for packet in &packets {
            assert_eq!(far.unprotect_rtp(&mut packet.clone()), Err(Error::Replayed));
        }
        let mut again = rtp(299, 7);
        again.resize(300, 0);
        assert_eq!(near.protect_rtp(&mut again, 172), Err(Error::Replayed));
        let report = protected(&mut near, &[0x80, 201, 0, 1, 0, 0, 0, 7], true);
        assert!(far.unprotect_rtcp(&mut report.clone()).is_ok());
        assert_eq!(far.unprotect_rtcp(&mut report.clone()), Err(Error::Replayed));
    }
}

#[test]
fn forged_packets_change_nothing() {
    for suite in Suite::ALL {
        let (mut near, mut far) = sessions(suite, &[9, 9]);
        let packets: Vec<_> = (0..40_u16).map(|n| protected(&mut near, &rtp(n * 3, 7), false)).collect();
        for (n, packet) in packets.iter().enumerate() {
            for bit in (0..packet.len() * 8).step_by(11) {
                let mut forged = packet.clone();
                forged[bit / 8] ^= 1 << (bit % 8);
                assert!(far.unprotect_rtp(&mut forged).is_err());
            }
            // Far ahead in sequence, and of many sources: neither the counter nor the table moves.
            for ssrc in 100..200 {
                let mut forged = rtp(40_000 + n as u16, if ssrc % 2 == 0 { 7 } else { ssrc });
                forged.extend([0; 24]);
                assert_eq!(far.unprotect_rtp(&mut forged), Err(Error::NotAuthentic));
            }
            let mut packet = packet.clone();
            let length = far.unprotect_rtp(&mut packet).unwrap();
            assert_eq!(Packet::parse(&packet[..length]).unwrap().payload, [0x55; 160]);
        }
        let report = protected(&mut near, &rtp(0, 0)[..28], true);
        for bit in 0..report.len() * 8 {
            let mut forged = report.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(far.unprotect_rtcp(&mut forged).is_err());
        }
        assert!(far.unprotect_rtcp(&mut report.clone()).is_ok());
    }
}

#[test]
fn whatever_the_length_nothing_panics() {
    let mut random = trunkline_types::Random::from_number(5);
    for suite in Suite::ALL {
        let (mut near, mut far) = sessions(suite, &[1]);
        for length in 0..200 {
            for first in [0x80, 0x8f, 0x90, 0xff] {
                let mut bytes: Vec<_> = (0..length).map(|_| random.u64() as u8).collect();
                if let Some(byte) = bytes.first_mut() {
                    *byte = first;
                }
                assert!(far.unprotect_rtp(&mut bytes.clone()).is_err());
                assert!(far.unprotect_rtcp(&mut bytes.clone()).is_err());
                assert!(near.protect_rtp(&mut bytes.clone(), length + 1).is_err());
                assert_eq!(near.protect_rtcp(&mut bytes, length), Err(Error::NoRoom));
            }
        }
    }
}

#[test]
fn suites_have_names_and_lengths() {
    for suite in Suite::ALL {
        assert_eq!(Suite::by_name(&suite.name().to_lowercase()), Some(suite));
        let expected = suite.key_and_salt_bytes();
        assert_eq!(Session::new(suite, &vec![0; expected - 1]).unwrap_err(), Error::KeyLength { expected });
        assert_eq!(Session::with_mki(suite, &vec![0; expected], &[0; 9]).unwrap_err(), Error::MkiLength);
    }
    assert_eq!(Suite::by_name("F8_128_HMAC_SHA1_80"), None);
    assert_eq!(Suite::AeadAes256Gcm.key_and_salt_bytes(), 44);
}
