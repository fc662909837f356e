//! The SRTP keys of a connection, as its DTLS handshake agrees on them (RFC 5764 §4.2).

use std::{
    cell::RefCell,
    sync::{Arc, OnceLock},
    time::Instant,
};
use str0m::{
    config::{CryptoProvider, DtlsCert, DtlsVersion},
    crypto::{
        CryptoError,
        dtls::{DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, ProtocolVersion, SrtpProfile},
    },
};
use trunkline_rtp::srtp::Suite;

/// The master keys and salts of both directions, each one after the other.
pub(crate) struct Keys {
    pub(crate) suite: Suite,
    pub(crate) ours: Vec<u8>,
    pub(crate) theirs: Vec<u8>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("suite", &self.suite).finish_non_exhaustive()
    }
}

impl Keys {
    /// From what the handshake exports: both keys and both salts, the client's first.
    fn new(material: &[u8], profile: SrtpProfile, is_client: bool) -> Option<Self> {
        let suite = match profile {
            SrtpProfile::AES128_CM_SHA1_80 => Suite::AesCm128HmacSha1_80,
            SrtpProfile::AEAD_AES_128_GCM => Suite::AeadAes128Gcm,
            SrtpProfile::AEAD_AES_256_GCM => Suite::AeadAes256Gcm,
            _ => return None,
        };
        let (keys, salts) = material.split_at_checked(suite.key_bytes() * 2)?;
        let (client_key, server_key) = keys.split_at_checked(suite.key_bytes())?;
        let (client_salt, server_salt) = salts.split_at_checked(suite.salt_bytes())?;
        let client = [client_key, client_salt].concat();
        let server = [server_key, server_salt].concat();
        let (ours, theirs) = if is_client { (client, server) } else { (server, client) };
        Some(Self { suite, ours, theirs })
    }
}

/// Where the keys of a connection will be once there are any.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeySlot(Arc<OnceLock<Keys>>);

impl KeySlot {
    pub(crate) fn get(&self) -> Option<&Keys> {
        self.0.get()
    }
}

thread_local! {
    /// The slot of the handshake that was made last on this thread.
    static MADE: RefCell<KeySlot> = RefCell::default();
}

/// The cryptography of the WebRTC stack, with handshakes that put their keys into a slot.
pub(crate) fn provider() -> CryptoProvider {
    static LISTENING: OnceLock<Listening> = OnceLock::new();
    let provider = str0m::crypto::from_feature_flags();
    let listening = LISTENING.get_or_init(|| Listening(provider.dtls_provider));
    CryptoProvider { dtls_provider: listening, ..provider }
}

/// Makes something that has one handshake, and returns the slot of its keys with it.
pub(crate) fn with_slot<T>(make: impl FnOnce() -> T) -> (T, KeySlot) {
    let made = make();
    (made, MADE.take())
}

/// Makes handshakes that are listened to.
#[derive(Debug)]
struct Listening(&'static dyn DtlsProvider);

impl DtlsProvider for Listening {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        self.0.generate_certificate()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        dtls_version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let inner = self.0.new_dtls(cert, now, dtls_version, mtu)?;
        let slot = KeySlot::default();
        MADE.replace(slot.clone());
        Ok(Box::new(Handshake { inner, slot }))
    }

    fn is_test(&self) -> bool {
        self.0.is_test()
    }
}

/// A handshake that is listened to.
#[derive(Debug)]
struct Handshake {
    inner: Box<dyn DtlsInstance>,
    slot: KeySlot,
}

impl DtlsInstance for Handshake {
    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        let is_client = self.inner.is_active();
        let output = self.inner.poll_output(buf);
        if let DtlsOutput::KeyingMaterial(material, profile) = &output
            && let Some(keys) = Keys::new(material, *profile, is_client)
        {
            // A connection has one handshake: nobody has been here before.
            let _ = self.slot.0.set(keys);
        }
        output
    }

    fn set_active(&mut self, active: bool) {
        self.inner.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.inner.handle_packet(packet)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.inner.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.inner.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.inner.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.inner.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.inner.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.inner.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_takes_its_half() {
        let material: Vec<u8> = (0..88).collect();
        let server = Keys::new(&material, SrtpProfile::AEAD_AES_256_GCM, false).unwrap();
        let client = Keys::new(&material, SrtpProfile::AEAD_AES_256_GCM, true).unwrap();
        assert_eq!((&server.ours, &server.theirs), (&client.theirs, &client.ours));
        let half = |key: u8, salt: u8| -> Vec<u8> { (key..key + 32).chain(salt..salt + 12).collect() };
        assert_eq!((client.ours, client.theirs), (half(0, 64), half(32, 76)));
        assert!(Keys::new(&material[..70], SrtpProfile::AEAD_AES_256_GCM, true).is_none());
    }
}
