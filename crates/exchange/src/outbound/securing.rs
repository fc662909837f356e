//! Whom TLS must lead to at a target, before anything is sent there.

use crate::Output;
use trunkline_routing::record::Options;
use trunkline_sip::{flow::Protocol, locate::Target};

/// Says it, if the target is reached by TLS. `options` are those of the trunk whose target it is; a
/// target of somebody else is shown no certificate.
pub(super) fn secure(target: &Target, options: Option<&Options>, outputs: &mut Vec<Output>) {
    if target.protocol == Protocol::Tls {
        let identity = options.and_then(|options| options.client_certificate.clone());
        outputs.push(Output::Secure { remote: target.address, name: target.host.clone(), identity });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tls_leads_to_somebody_by_name() {
        let target = |protocol| Target { protocol, address: ([192, 0, 2, 1], 5061).into(), host: "example.com".into() };
        let options = Options { client_certificate: Some("carrier".into()), ..Options::default() };
        let mut outputs = Vec::new();
        secure(&target(Protocol::Tcp), Some(&options), &mut outputs);
        assert!(outputs.is_empty());
        secure(&target(Protocol::Tls), Some(&options), &mut outputs);
        secure(&target(Protocol::Tls), None, &mut outputs);
        let said: Vec<_> = outputs
            .iter()
            .map(|output| match output {
                Output::Secure { remote, name, identity } => (remote.to_string(), name.as_str(), identity.as_deref()),
                other => panic!("{other:?}"),
            })
            .collect();
        let at = || "192.0.2.1:5061".to_owned();
        assert_eq!(said, [(at(), "example.com", Some("carrier")), (at(), "example.com", None)]);
    }
}
