//! Whether the certificates of SIP over TLS hold, and who can read their keys.

use super::Finding;
use crate::Config;
use std::{os::unix::fs::PermissionsExt, path::Path};

/// Who has so long left shall see to it.
const SOON_SECONDS: i64 = 14 * DAY;
const DAY: i64 = 86_400;
const NAME: &str = "tls.certs";
const AUTHORITIES: &str = "tls.client_ca_file";

pub(super) fn check(config: &Config, now: i64) -> Vec<Finding> {
    let Some(tls) = &config.tls else { return Vec::new() };
    let mut findings = Vec::new();
    for pair in &tls.certs {
        if let Err(why) = trunkline_transport::server_tls(std::slice::from_ref(pair), None) {
            let cure = "name a PEM chain, the server's certificate first, and the key that belongs to it";
            findings.push(Finding::fail(NAME, why.to_string(), cure));
            continue;
        }
        findings.extend(dates(NAME, &pair.0, now));
        let mode = std::fs::metadata(&pair.1).map_or(0, |data| data.permissions().mode());
        if mode & 0o004 != 0 {
            let found = format!("everybody on this machine can read {}", pair.1.display());
            findings.push(Finding::warn(NAME, found, format!("chmod o-rwx {}", pair.1.display())));
        }
    }
    if let Some(path) = &tls.client_ca_file {
        findings.extend(dates(AUTHORITIES, path, now));
    }
    findings
}

fn dates(name: &'static str, path: &Path, now: i64) -> Vec<Finding> {
    let validity = match trunkline_transport::certificate_validity(path) {
        Ok(validity) => validity,
        Err(why) => return vec![Finding::fail(name, why.to_string(), "name a PEM file with certificates")],
    };
    validity
        .into_iter()
        .enumerate()
        .map(|(at, dates)| judged(name, &format!("{} ({})", path.display(), at + 1), dates, now))
        .collect()
}

fn judged(name: &'static str, which: &str, (from, until): (i64, i64), now: i64) -> Finding {
    let days = (until - now).div_euclid(DAY);
    if now > until {
        return Finding::fail(name, format!("{which} has ended {} days ago", -days), "renew it");
    }
    if now < from {
        let found = format!("{which} begins in {} days", (from - now).div_euclid(DAY) + 1);
        return Finding::fail(name, found, "set the clock, or take a certificate that holds");
    }
    if until - now < SOON_SECONDS {
        return Finding::warn(name, format!("{which} ends in {days} days"), "renew it");
    }
    Finding::ok(name, format!("{which} holds for {days} days"))
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn a_certificate_holds_from_its_first_to_its_last_second() {
        let (from, until) = (100 * DAY, 200 * DAY);
        let verdict = |now| judged(NAME, "c", (from, until), now).verdict;
        assert_eq!((verdict(from - 1), verdict(from), verdict(until + 1)), (Verdict::Fail, Verdict::Ok, Verdict::Fail));
        assert_eq!((verdict(until), verdict(until - SOON_SECONDS)), (Verdict::Warn, Verdict::Ok));
    }
}
