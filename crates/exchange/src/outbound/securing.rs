//! Whom TLS must lead to at a target, before anything is sent there.

use crate::Output;
use trunkline_routing::record::Options;
use trunkline_sip::{flow::Protocol, locate::Target};

/// Says it, if the target is reached by TLS. `options` are those of the trunk whose target it is; a
/// target of somebody else is shown no certificate.
pub(super) fn expect(target: &Target, options: Option<&Options>, outputs: &mut Vec<Output>) {
    if target.protocol == Protocol::Tls {
        let certificate =
            options.and_then(|options| options.client_certificate.clone()).filter(|name| !name.is_empty());
        outputs.push(Output::Expect { remote: target.address, host: target.host.clone(), certificate });
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
        expect(&target(Protocol::Tcp), Some(&options), &mut outputs);
        assert!(outputs.is_empty());
        expect(&target(Protocol::Tls), Some(&options), &mut outputs);
        expect(&target(Protocol::Tls), None, &mut outputs);
        let said: Vec<_> = outputs
            .iter()
            .map(|output| match output {
                Output::Expect { remote, host, certificate } => {
                    (remote.to_string(), host.as_str(), certificate.as_deref())
                }
                other => panic!("{other:?}"),
            })
            .collect();
        let at = || "192.0.2.1:5061".to_owned();
        assert_eq!(said, [(at(), "example.com", Some("carrier")), (at(), "example.com", None)]);
    }
}
