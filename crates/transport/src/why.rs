//! Why a connection is gone, in words for whoever runs the server.

use rustls::{AlertDescription, CertificateError, Error};
use std::io;

/// It was there and is no more.
pub(crate) const GONE: &str = "the connection is gone";
/// Its queue, or the table of connections, has no room.
pub(crate) const FULL: &str = "there is no room for another connection";
/// Nothing came back for a SYN.
pub(crate) const NO_CONNECTION: &str = "nobody answered the attempt to connect";
/// The handshake took too long.
pub(crate) const SLOW_HANDSHAKE: &str = "the TLS handshake was not completed in time";
/// What TLS needs is not configured.
pub(crate) const NO_TLS: &str =
    "TLS is not possible: the far end's name, the certificate of this trunk or whom to trust is not known";

/// Of an attempt to connect.
pub(crate) fn of_connecting(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "the far end refuses connections",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "there is no route to the far end",
        io::ErrorKind::TimedOut => NO_CONNECTION,
        _ => "a connection could not be opened",
    }
}

/// Of a connection that broke, in its handshake or later: with TLS 1.3 a client learns only then
/// that its certificate was not accepted (RFC 8446 §4.4.2.4).
pub(crate) fn of_breaking(error: &io::Error, otherwise: &'static str) -> &'static str {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(bad)) => of_certificate(bad),
        Some(Error::AlertReceived(alert)) => of_alert(*alert),
        Some(Error::NoApplicationProtocol) => "the far end's TLS speaks no SIP (ALPN)",
        Some(Error::PeerIncompatible(_)) => "the far end's TLS and ours have no version or cipher in common",
        _ => otherwise,
    }
}

/// Of a handshake.
pub(crate) fn of_handshake(error: &io::Error) -> &'static str {
    of_breaking(error, "the TLS handshake failed")
}

/// Of the handshake of somebody who connects to us.
pub(crate) fn of_caller(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::NoCertificatesPresented) => "it showed no certificate, and tls.client_ca_file asks for one".into(),
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            "its certificate is of an issuer that is not in tls.client_ca_file".into()
        }
        Some(Error::InvalidCertificate(bad)) => format!("its certificate is not accepted: {bad}"),
        Some(Error::AlertReceived(alert)) => format!("it gave up, or does not accept our certificate: {alert:?}"),
        Some(other) => other.to_string(),
        None => "it left".into(),
    }
}

fn of_certificate(bad: &CertificateError) -> &'static str {
    match bad {
        CertificateError::UnknownIssuer => {
            "the far end's TLS certificate is of an issuer that is not trusted (tls.ca_file)"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the far end's TLS certificate is for another name"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the far end's TLS certificate has expired"
        }
        _ => "the far end's TLS certificate cannot be verified",
    }
}

fn of_alert(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CertificateRequired => {
            "the far end wants a TLS certificate of ours (client_certificate of the trunk)"
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => "the far end does not accept our TLS certificate",
        AlertDescription::NoApplicationProtocol => "the far end's TLS speaks no SIP (ALPN)",
        AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure => {
            "the far end refused our TLS: no version or cipher in common, or no certificate of ours"
        }
        _ => "the far end ended TLS with an alert",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_named() {
        let of = |error: Error| of_handshake(&io::Error::new(io::ErrorKind::InvalidData, error));
        assert!(of(Error::InvalidCertificate(CertificateError::UnknownIssuer)).contains("tls.ca_file"));
        assert!(of(Error::InvalidCertificate(CertificateError::NotValidForName)).contains("another name"));
        assert!(of(Error::AlertReceived(AlertDescription::CertificateRequired)).contains("client_certificate"));
        assert!(of(Error::AlertReceived(AlertDescription::UnknownCA)).contains("does not accept"));
        assert_eq!(of_breaking(&io::Error::from(io::ErrorKind::ConnectionReset), GONE), GONE);
        let caller = io::Error::new(io::ErrorKind::InvalidData, Error::NoCertificatesPresented);
        assert!(of_caller(&caller).contains("tls.client_ca_file"));
        assert!(of_connecting(&io::Error::from(io::ErrorKind::ConnectionRefused)).contains("refuses"));
    }
}
