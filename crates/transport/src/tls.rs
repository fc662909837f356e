//! Our certificates.

use crate::Error;
use rustls::{
    RootCertStore, ServerConfig,
    client::verify_server_name,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::{ClientHello, ParsedCertificate, ResolvesServerCert, VerifierBuilderError, WebPkiClientVerifier},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use std::{path::Path, sync::Arc};

/// The names of SIP in ALPN: IANA's, and the one that is also seen.
pub(crate) const ALPN: [&[u8]; 2] = [b"sip/2", b"sip"];

/// A TLS server with these certificate chains and keys (PEM files, certificate first): TLS 1.2 and
/// 1.3. A client gets the certificate of the name it asks for, else the first. With a `client_ca_file`
/// (PEM) it must show one that an authority in there has signed.
///
/// # Errors
/// A file that cannot be used, or no certificate at all.
pub fn server_tls<P: AsRef<Path>>(certs: &[(P, P)], client_ca_file: Option<&Path>) -> Result<Arc<ServerConfig>, Error> {
    let keys = certs.iter().map(|(cert, key)| load(cert.as_ref(), key.as_ref())).collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        let path = "tls.certs".into();
        return Err(Error::Certificate { path, why: "no certificate is configured".to_owned() });
    }
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| Error::Certificate { path: "tls".into(), why: error.to_string() })?;
    let builder = match client_ca_file {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            add_authorities(&mut roots, path)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build();
            let bad = |error: VerifierBuilderError| Error::Certificate { path: path.into(), why: error.to_string() };
            builder.with_client_cert_verifier(verifier.map_err(bad)?)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(ByName(keys)));
    config.alpn_protocols = ALPN.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// Trusts the certificates of a file.
pub(crate) fn add_authorities(roots: &mut RootCertStore, path: &Path) -> Result<(), Error> {
    let bad = |why: String| Error::Certificate { path: path.to_owned(), why };
    let read = CertificateDer::pem_file_iter(path).map_err(|error| bad(error.to_string()))?;
    let mut found = false;
    for certificate in read {
        let certificate = certificate.map_err(|error| bad(error.to_string()))?;
        roots.add(certificate).map_err(|error| bad(error.to_string()))?;
        found = true;
    }
    if found { Ok(()) } else { Err(bad("there is no certificate in it".to_owned())) }
}

pub(crate) fn load(cert: &Path, key: &Path) -> Result<Arc<CertifiedKey>, Error> {
    let bad = |path: &Path, why: String| Error::Certificate { path: path.to_owned(), why };
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
        .map_err(|error| bad(cert, error.to_string()))?;
    if chain.is_empty() {
        return Err(bad(cert, "there is no certificate in it".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, error.to_string()))?;
    let certified = CertifiedKey::from_der(chain, private, &ring::default_provider())
        .map_err(|error| bad(key, format!("it does not fit {}: {error}", cert.display())))?;
    Ok(Arc::new(certified))
}

/// Chooses the certificate whose subject names include the one asked for.
#[derive(Debug)]
struct ByName(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|name| {
            let name = ServerName::try_from(name).ok()?;
            self.0.iter().find(|key| is_for(key, &name))
        });
        named.or(self.0.first()).cloned()
    }
}

fn is_for(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let Some(certificate) = key.cert.first() else { return false };
    ParsedCertificate::try_from(certificate).is_ok_and(|parsed| verify_server_name(&parsed, name).is_ok())
}
