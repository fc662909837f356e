//! TLS for a persona: a certificate from files for who calls it, and no question asked of whom it
//! calls, for what it plays is a far end and not a fortress.

use rustls::{
    ClientConfig, ClientConnection, Connection, DigitallySignedStruct, ServerConfig, ServerConnection, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use std::{io, net::SocketAddr, path::Path, sync::Arc};

/// See the module.
pub(crate) struct Tls {
    server: Option<Arc<ServerConfig>>,
    client: Arc<ClientConfig>,
}

impl Tls {
    /// With a chain and a key in PEM, if others shall call it.
    pub(crate) fn new(files: Option<(&Path, &Path)>) -> io::Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let server = match files {
            None => None,
            Some((chain, key)) => {
                let chain: Result<Vec<_>, _> =
                    CertificateDer::pem_file_iter(chain).map_err(io::Error::other)?.collect();
                let key = PrivateKeyDer::from_pem_file(key).map_err(io::Error::other)?;
                let config = ServerConfig::builder_with_provider(provider.clone())
                    .with_safe_default_protocol_versions()
                    .map_err(io::Error::other)?
                    .with_no_client_auth()
                    .with_single_cert(chain.map_err(io::Error::other)?, key)
                    .map_err(io::Error::other)?;
                Some(Arc::new(config))
            }
        };
        let client = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Trusting(provider)))
            .with_no_client_auth();
        Ok(Self { server, client: Arc::new(client) })
    }

    pub(crate) fn serve(&self) -> Option<Connection> {
        ServerConnection::new(self.server.clone()?).ok().map(Connection::Server)
    }

    pub(crate) fn connect(&self, to: SocketAddr) -> io::Result<Connection> {
        let name = ServerName::IpAddress(to.ip().into());
        ClientConnection::new(self.client.clone(), name).map(Connection::Client).map_err(io::Error::other)
    }
}

/// Believes every certificate, though not every signature.
#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
