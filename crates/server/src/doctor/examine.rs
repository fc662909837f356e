//! All checks, in the order in which they are told.

use super::{Finding, addresses, certificates, machine, ports};
use crate::Config;

/// Secrets of API keys shall be no shorter, in bytes: HMAC-SHA256 gains nothing from more.
const SECRET_BYTES: usize = 32;

/// Looks at everything a server with this configuration would need. Ports are bound for a moment, and
/// a file is written to `data_dir` and removed again.
pub fn examine(config: &Config, warnings: &[String]) -> Vec<Finding> {
    let mut findings = vec![Finding::ok("configuration", "it can be read")];
    findings.extend(warnings.iter().map(|text| Finding::warn("configuration", text, "see the text")));
    findings.extend(keys(config));
    findings.extend(ports::check(config));
    findings.extend(addresses::check(config));
    findings.extend(certificates::check(config, machine::unix_now()));
    findings.extend(webhooks(config));
    findings.push(machine::data_dir(&config.data_dir));
    findings.extend(machine::check(config));
    findings
}

fn keys(config: &Config) -> Vec<Finding> {
    let weak = |(key, secret): (&String, &String)| {
        (secret.len() < SECRET_BYTES).then(|| {
            let found = format!("the secret of {key} has {} bytes", secret.len());
            Finding::warn("keys", found, format!("use one of at least {SECRET_BYTES}; `trunkline init` makes one"))
        })
    };
    config.keys.0.iter().filter_map(weak).collect()
}

fn webhooks(config: &Config) -> Vec<Finding> {
    let judge = |text: &String| match trunkline_api::webhook_url(text) {
        Err(why) => Finding::fail("webhook.urls", why.to_string(), "write it as https://host/path"),
        Ok(url) if url.scheme() == "http" && !url.host_str().is_some_and(is_near) => {
            let found = format!("{text} is not encrypted: numbers of callers travel in the clear");
            Finding::warn("webhook.urls", found, "use https")
        }
        Ok(_) => Finding::ok("webhook.urls", text),
    };
    config.webhook.urls.iter().map(judge).collect()
}

/// Whether a host is this machine or its private network.
fn is_near(host: &str) -> bool {
    match host.trim_matches(['[', ']']).parse() {
        Ok(ip) => addresses::is_private(ip),
        // A name without a dot is one of a local network.
        Err(_) => !host.contains('.') || host.ends_with(".local"),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};
    use crate::config::{Source, load};
    use std::net::{TcpListener, UdpSocket};

    fn findings(body: &str) -> Vec<Finding> {
        let (config, warnings) = load(&Source::Body(body.into()), &|_| None).unwrap();
        examine(&config, &warnings)
    }

    fn verdict(findings: &[Finding], name: &str) -> Verdict {
        let found = findings.iter().filter(|finding| finding.name == name);
        found.map(|finding| finding.verdict).max_by_key(|verdict| *verdict as u8).unwrap()
    }

    const FREE: &str = "port: 0\nbind_addresses: [127.0.0.1]\nlisten_ip: 127.0.0.1\nsip_port: 0\nrtp_port: 0\n";

    #[test]
    fn a_configuration_with_free_ports_has_nothing_that_fails() {
        let folder = std::env::temp_dir().join(format!("trunkline-doctor-{}", std::process::id()));
        let body = format!("{FREE}rtc: {{ udp_port: 0, tcp_port: 0 }}\ndata_dir: {}\n", folder.display());
        let findings = findings(&body);
        let failed: Vec<_> = findings.iter().filter(|finding| finding.verdict == Verdict::Fail).collect();
        assert!(failed.is_empty(), "{failed:?}");
        assert!(!folder.exists(), "looking makes no folder");
        assert!(findings.iter().all(|finding| finding.cure.is_some() == (finding.verdict != Verdict::Ok)));
    }

    #[test]
    fn ports_of_others_fail() {
        let (tcp, udp) = (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let (tcp, held) = (tcp.local_addr().unwrap().port(), (tcp, &udp));
        let udp = udp.local_addr().unwrap().port();
        let body = format!(
            "port: {tcp}\nbind_addresses: [127.0.0.1]\nlisten_ip: 127.0.0.1\nsip_port: {udp}\nmedia_threads: 1\n\
             rtp_port: {udp}-{end}\nrtc: {{ udp_port: {udp}, tcp_port: {tcp} }}\n",
            end = udp + 1
        );
        let findings = findings(&body);
        for name in ["port", "sip_port", "rtp_port", "rtc.udp_port", "rtc.tcp_port"] {
            assert_eq!(verdict(&findings, name), Verdict::Fail, "{name}: {findings:?}");
        }
        drop(held);
    }

    #[test]
    fn addresses_folders_certificates_and_urls_are_judged() {
        let body = format!(
            "{FREE}nat_1_to_1_ip: 127.0.0.1\ndata_dir: /dev/null/nothing\nkeys: {{ k: short }}\n\
             tls: {{ port: 0, certs: [{{ cert_file: /nowhere.pem, key_file: /nowhere.key }}] }}\n\
             webhook: {{ api_key: k, urls: ['ftp://x', 'http://hooks.example.com/a', 'https://hooks.example.com'] }}\n"
        );
        let findings = findings(&body);
        assert_eq!(verdict(&findings, "data_dir"), Verdict::Fail);
        assert_eq!(verdict(&findings, "tls.certs"), Verdict::Fail);
        assert_eq!(verdict(&findings, "keys"), Verdict::Warn);
        let hooks: Vec<_> = findings.iter().filter(|f| f.name == "webhook.urls").map(|f| f.verdict).collect();
        assert_eq!(hooks, [Verdict::Fail, Verdict::Warn, Verdict::Ok]);
        let wild = "nat_1_to_1_ip: 0.0.0.0\n";
        let (config, _) = load(&Source::Body(wild.into()), &|_| None).unwrap();
        assert_eq!(verdict(&addresses::check(&config), "nat_1_to_1_ip"), Verdict::Fail);
    }
}
