//! Digest authentication as a client (RFC 3261 §22, RFC 7616, RFC 8760): one answer for each realm,
//! told to nobody but the trunk's own peers.

use super::algorithm::{Algorithm, entries, escaped, unescaped};
use crate::{Credentials, HeaderList, Message, flow::Flow};
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};
use trunkline_types::Random;

/// Realms that one request answers.
const REALMS: usize = 4;
/// How often one request follows `stale`.
const STALE: u8 = 3;

/// Who we are for one far end, and what it has asked so far.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    credentials: Arc<Credentials>,
    sessions: Vec<Session>,
    /// Realms that this request has answered already.
    tried: Vec<(bool, String)>,
    stale: u8,
}

/// The nonce of one realm.
#[derive(Clone, Debug)]
struct Session {
    is_proxy: bool,
    /// As they stand between their quotes.
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    is_session: bool,
    /// The token as it was written.
    token: Option<String>,
    qop: Option<&'static str>,
    /// One for each nonce: the session forms hash the first one.
    cnonce: String,
    count: u32,
}

impl Session {
    fn of(challenge: &BTreeMap<String, String>, is_proxy: bool) -> Option<Self> {
        let token = challenge.get("algorithm").cloned();
        let (algorithm, is_session) = Algorithm::by_name(token.as_deref().unwrap_or_default())?;
        let offers = |wanted: &str, list: &String| list.split(',').any(|q| q.trim().eq_ignore_ascii_case(wanted));
        let qop = match challenge.get("qop") {
            None => None,
            Some(list) => Some(["auth", "auth-int"].into_iter().find(|wanted| offers(wanted, list))?),
        };
        Some(Self {
            is_proxy,
            realm: challenge.get("realm")?.clone(),
            nonce: challenge.get("nonce")?.clone(),
            opaque: challenge.get("opaque").cloned(),
            algorithm,
            is_session,
            token,
            qop,
            cnonce: String::new(),
            count: 0,
        })
    }

    /// The value of Authorization for the next request.
    fn value(&self, credentials: &Credentials, method: &str, uri: &str, body: &[u8]) -> String {
        let hash = |text: String| self.algorithm.hash(text);
        let (realm, nonce, cnonce) = (unescaped(&self.realm), unescaped(&self.nonce), &self.cnonce);
        let mut ha1 = hash(format!("{}:{realm}:{}", credentials.username, credentials.password));
        if self.is_session {
            ha1 = hash(format!("{ha1}:{nonce}:{cnonce}"));
        }
        let ha2 = match self.qop {
            Some("auth-int") => hash(format!("{method}:{uri}:{}", self.algorithm.hash(body))),
            _ => hash(format!("{method}:{uri}")),
        };
        let nc = format!("{:08x}", self.count);
        let response = match self.qop {
            None => hash(format!("{ha1}:{nonce}:{ha2}")),
            Some(qop) => hash(format!("{ha1}:{nonce}:{nc}:{cnonce}:{qop}:{ha2}")),
        };
        let mut value = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{}\", response=\"{response}\"",
            escaped(&credentials.username),
            self.realm,
            self.nonce,
            escaped(uri)
        );
        if let Some(token) = &self.token {
            value.push_str(&format!(", algorithm={token}"));
        }
        if let Some(opaque) = &self.opaque {
            value.push_str(&format!(", opaque=\"{opaque}\""));
        }
        if let Some(qop) = self.qop {
            value.push_str(&format!(", qop={qop}, nc={nc}"));
        }
        if self.qop.is_some() || self.is_session {
            value.push_str(&format!(", cnonce=\"{cnonce}\""));
        }
        value
    }
}

impl Login {
    pub(crate) fn new(credentials: Credentials) -> Self {
        Self { credentials: Arc::new(credentials), sessions: Vec::new(), tried: Vec::new(), stale: 0 }
    }

    /// Those who may ask.
    pub(crate) fn peers(&self) -> &[IpAddr] {
        &self.credentials.peers
    }

    /// Whether what goes this way goes to one of them.
    pub(crate) fn may_tell(&self, flow: &Flow) -> bool {
        let remote = flow.remote.ip().to_canonical();
        self.credentials.peers.iter().any(|peer| peer.to_canonical() == remote)
    }

    /// What a request on this way carries: nothing before the first challenge.
    pub(crate) fn headers(
        &mut self,
        flow: &Flow,
        method: &str,
        uri: &str,
        body: &[u8],
        random: &mut Random,
    ) -> HeaderList {
        if !self.may_tell(flow) {
            return Vec::new();
        }
        let credentials = self.credentials.clone();
        let one = |session: &mut Session| {
            session.count = session.count.saturating_add(1);
            if session.cnonce.is_empty() {
                session.cnonce = random.hex(32);
            }
            let name = if session.is_proxy { "Proxy-Authorization" } else { "Authorization" };
            (name.to_owned(), session.value(&credentials, method, uri, body))
        };
        self.sessions.iter_mut().map(one).collect()
    }

    /// Whether an answer asks for credentials that are worth another attempt: from a peer, in a realm
    /// that was not answered yet or with `stale`, and with a nonce that was not used.
    pub(crate) fn meets(&mut self, answer: &Message, sent: &Flow, from: &Flow) -> bool {
        let (is_proxy, name) = match answer.status() {
            Some(401) => (false, "WWW-Authenticate"),
            Some(407) => (true, "Proxy-Authenticate"),
            _ => return false,
        };
        if !self.may_tell(sent) || !self.may_tell(from) {
            return false;
        }
        let mut wanted: Vec<(Session, bool)> = Vec::new();
        for challenge in answer.find(name).take(REALMS.saturating_mul(4)).flat_map(entries) {
            let Some(session) = Session::of(&challenge, is_proxy) else { continue };
            let is_stale = challenge.get("stale").is_some_and(|s| s.eq_ignore_ascii_case("true"));
            let room = wanted.len() < REALMS;
            match wanted.iter_mut().find(|(held, _)| held.realm == session.realm) {
                // The strongest; the first of equals.
                Some(held) if held.0.algorithm < session.algorithm => *held = (session, is_stale),
                Some(_) => {}
                None if room => wanted.push((session, is_stale)),
                None => {}
            }
        }
        let mut worth = false;
        for (session, is_stale) in wanted {
            worth |= self.take(session, is_stale);
        }
        worth
    }

    fn take(&mut self, session: Session, is_stale: bool) -> bool {
        let realm = (session.is_proxy, session.realm.clone());
        let held = self.sessions.iter().position(|s| s.is_proxy == session.is_proxy && s.realm == session.realm);
        let used = held.and_then(|at| self.sessions.get(at)).is_some_and(|s| s.nonce == session.nonce && s.count > 0);
        if used {
            return false;
        }
        if self.tried.contains(&realm) {
            if !is_stale || self.stale >= STALE {
                return false;
            }
            self.stale = self.stale.saturating_add(1);
        } else if self.tried.len() < REALMS {
            self.tried.push(realm);
        } else {
            return false;
        }
        match held.and_then(|at| self.sessions.get_mut(at)) {
            Some(held) => *held = session,
            None => self.sessions.push(session),
        }
        true
    }

    /// Takes the next nonce that an answer names (RFC 7616 §3.5).
    pub(crate) fn learn(&mut self, answer: &Message, sent: &Flow, from: &Flow) {
        if !self.may_tell(sent) || !self.may_tell(from) {
            return;
        }
        for (name, is_proxy) in [("Authentication-Info", false), ("Proxy-Authentication-Info", true)] {
            let Some(line) = answer.find(name).next() else { continue };
            let Some(next) = entries(&format!("Digest {line}")).pop().and_then(|mut e| e.remove("nextnonce")) else {
                continue;
            };
            let mut of_kind = self.sessions.iter_mut().filter(|s| s.is_proxy == is_proxy);
            // Of several realms it does not say which.
            if let (Some(session), None) = (of_kind.next(), of_kind.next())
                && session.nonce != next
            {
                (session.nonce, session.count, session.cnonce) = (next, 0, String::new());
            }
        }
    }

    /// For the next request, which may be challenged anew.
    pub(crate) fn rested(&self) -> Self {
        Self { tried: Vec::new(), stale: 0, ..self.clone() }
    }

    /// How many requests have carried credentials.
    pub(crate) fn uses(&self) -> u64 {
        self.sessions.iter().map(|s| u64::from(s.count)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Vector {
        credentials: (&'static str, &'static str),
        challenge: &'static str,
        request: (&'static str, &'static str, &'static [u8]),
        cnonce: &'static str,
        response: &'static str,
    }

    fn response(vector: &Vector) -> String {
        let (username, password) = (vector.credentials.0.to_owned(), vector.credentials.1.to_owned());
        let credentials = Credentials { username, password, peers: vec![] };
        let mut session = Session::of(&entries(vector.challenge)[0], false).unwrap();
        (session.cnonce, session.count) = (vector.cnonce.to_owned(), 1);
        let (method, uri, body) = vector.request;
        let value = session.value(&credentials, method, uri, body);
        entries(&value)[0]["response"].clone()
    }

    const NONCE: &str = r#"realm="http-auth@example.org", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v""#;
    const CNONCE: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

    #[test]
    fn the_responses_are_those_of_the_rfcs() {
        let mufasa = |algorithm: &str, qop: &str, body: &'static [u8], response: &'static str| Vector {
            credentials: ("Mufasa", "Circle of Life"),
            challenge: Box::leak(format!("Digest {NONCE}, algorithm={algorithm}{qop}").into_boxed_str()),
            request: ("GET", "/dir/index.html", body),
            cnonce: CNONCE,
            response,
        };
        let (auth, both) = (", qop=\"auth, auth-int\"", ", qop=\"auth-int\"");
        let vectors = [
            // RFC 7616 §3.9.1.
            mufasa("MD5", auth, b"x", "8ca523f5e9506fed4657c9700eebdbec"),
            mufasa("SHA-256", auth, b"x", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
            // RFC 7616 §3.9.2, as its erratum 4897 has it.
            Vector {
                credentials: ("J\u{e4}s\u{f8}n Doe", "Secret, or not?"),
                challenge: r#"Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK""#,
                request: ("GET", "/doe.json", b""),
                cnonce: "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
                response: "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5",
            },
            // RFC 2617 §3.5, without and with qop.
            Vector {
                credentials: ("Mufasa", "Circle Of Life"),
                challenge: r#"Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093""#,
                request: ("GET", "/dir/index.html", b""),
                cnonce: "0a4f113b",
                response: "6629fae49393a05397450978507c4ef1",
            },
            Vector {
                credentials: ("Mufasa", "Circle Of Life"),
                challenge: r#"Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093""#,
                request: ("GET", "/dir/index.html", b""),
                cnonce: "",
                response: "670fd8c2df070c60b045671b8b24ff02",
            },
            mufasa("MD5-sess", both, b"v=0\r\n", "4321e8772738f242cc32334079264d8c"),
            mufasa(
                "sha-256-SESS",
                both,
                b"v=0\r\n",
                "cade7e5b751d9c3c2f066a95f2405c5509ad0171cf93f117e98b7f0ebb212e57",
            ),
            mufasa("SHA-512-256", both, b"v=0\r\n", "5e69357dfa951887c95e88aae45b1f7f834aeba94f85648b86d532e82afdb589"),
        ];
        for vector in &vectors {
            assert_eq!(response(vector), vector.response, "{}", vector.challenge);
        }
    }
}
