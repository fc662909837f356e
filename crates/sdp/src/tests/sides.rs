//! Our side, and how a far end's text is read.

use crate::{AudioCodec, Direction, Encryption, KEY_MATERIAL_BYTES, KeyMaterial, Local, Security, Session};

pub(super) fn local(codecs: &[AudioCodec]) -> Local {
    Local {
        address: "192.0.2.1".parse().unwrap(),
        port: 30_000,
        session_id: 77,
        version: 1,
        codecs: codecs.to_vec(),
        direction: Direction::SendRecv,
        ptime_ms: 20,
    }
}

pub(super) fn everything() -> Local {
    local(AudioCodec::ALL)
}

/// Keys that tell the suites apart.
pub(super) fn security(encryption: Encryption) -> Security {
    let mut random = [0; KEY_MATERIAL_BYTES];
    for (n, byte) in random.iter_mut().enumerate() {
        *byte = n as u8;
    }
    Security::new(encryption, KeyMaterial::new(random))
}

/// A description with these lines after the session's.
pub(super) fn theirs(lines: &str) -> Session {
    let text = format!("v=0\no=- 5 6 IN IP4 203.0.113.9\ns=x\nc=IN IP4 203.0.113.9\nt=0 0\n{lines}");
    Session::parse(text.as_bytes()).unwrap()
}
