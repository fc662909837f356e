//! Whom we trust, and who we are, when we open a TLS connection.

use crate::{
    Error,
    tls::{ALPN, add_authorities, load},
};
use rustls::{
    ClientConfig, RootCertStore, SignatureScheme,
    client::ResolvesClientCert,
    crypto::ring,
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// For [`Config::tls_client`](crate::Config) and [`Config::tls_identities`](crate::Config).
#[derive(Clone, Debug)]
pub struct ClientTls {
    /// Without a certificate of ours.
    pub anonymous: Arc<ClientConfig>,
    /// With one, by its name.
    pub identities: BTreeMap<String, Arc<ClientConfig>>,
}

/// A TLS client, 1.2 and 1.3, that trusts the system's roots and those of `ca_file` (PEM), and can
/// show the certificates of `identities`: name, certificate chain and key (PEM).
///
/// # Errors
/// A file that cannot be used.
pub fn client_tls(ca_file: Option<&Path>, identities: &[(String, PathBuf, PathBuf)]) -> Result<ClientTls, Error> {
    let roots = Arc::new(roots(ca_file)?);
    let mut named = BTreeMap::new();
    for (name, cert, key) in identities {
        named.insert(name.clone(), config(roots.clone(), Some(load(cert, key)?))?);
    }
    Ok(ClientTls { anonymous: config(roots, None)?, identities: named })
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    // A system without roots is no error: whoever needs some names `ca_file`.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        add_authorities(&mut roots, path)?;
    }
    Ok(roots)
}

fn config(roots: Arc<RootCertStore>, identity: Option<Arc<CertifiedKey>>) -> Result<Arc<ClientConfig>, Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| Error::Certificate { path: "tls".into(), why: error.to_string() })?
        .with_root_certificates(roots);
    let mut config = match identity {
        Some(key) => builder.with_client_cert_resolver(Arc::new(Always(key))),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = ALPN.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// Shows one certificate to whoever asks.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesClientCert for Always {
    fn resolve(&self, _roots: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
