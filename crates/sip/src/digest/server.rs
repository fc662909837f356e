//! Digest authentication as a server (RFC 8760, RFC 7616): stateless nonces, constant-time compare.

use super::algorithm::{Algorithm, entries, unescaped};
use crate::Message;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::collections::{BTreeMap, VecDeque};
use subtle::ConstantTimeEq;
use trunkline_types::{Time, limits};

/// What a request's credentials are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They are right.
    Accepted,
    /// They were right, but the nonce is old: challenge again with `stale=true`.
    Stale,
    /// They are wrong.
    Refused,
    /// There are none.
    Missing,
}

/// How many nonces are remembered for their counts.
const NONCES: usize = 4_096;

/// See the module.
#[derive(Debug)]
pub struct Challenger {
    secret: [u8; 32],
    issued: u64,
    counts: BTreeMap<String, u32>,
    order: VecDeque<String>,
}

impl Challenger {
    /// Nonces are signed with `secret`.
    pub fn new(secret: [u8; 32]) -> Self {
        Self { secret, issued: 0, counts: BTreeMap::new(), order: VecDeque::new() }
    }

    /// Values of `WWW-Authenticate`, the strongest first.
    pub fn challenge(&mut self, realm: &str, stale: bool, now: Time) -> Vec<String> {
        // Each its own: two calls of one second begin to count at 1.
        self.issued = self.issued.wrapping_add(1);
        let nonce = self.nonce(realm, now.unix_seconds(), self.issued);
        let realm: String = realm.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\')).collect();
        let stale = if stale { ", stale=true" } else { "" };
        ["SHA-256", "SHA-512-256", "MD5"]
            .iter()
            .map(|a| format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={a}, qop=\"auth\"{stale}"))
            .collect()
    }

    fn nonce(&self, realm: &str, second: i64, serial: u64) -> String {
        let mut signed = [second.to_be_bytes(), serial.to_be_bytes()].concat();
        // HMAC takes keys of any length.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.secret) {
            mac.update(&signed);
            mac.update(realm.as_bytes());
            signed.extend(mac.finalize().into_bytes().iter().take(16));
        }
        BASE64.encode(signed)
    }

    /// What the request's credentials are worth for this user in this realm.
    pub fn verify(&mut self, message: &Message, realm: &str, username: &str, password: &str, now: Time) -> Verdict {
        let mut verdict = Verdict::Missing;
        for name in ["Authorization", "Proxy-Authorization"] {
            for value in message.header_values(name) {
                let Some(given) = parameters(&value) else { continue };
                let judged = self.judge(message, &given, realm, username, password, now);
                if judged == Verdict::Accepted {
                    return judged;
                }
                verdict = judged;
            }
        }
        verdict
    }

    fn judge(
        &mut self,
        message: &Message,
        given: &BTreeMap<String, String>,
        realm: &str,
        username: &str,
        password: &str,
        now: Time,
    ) -> Verdict {
        let get = |name: &str| given.get(name).map(String::as_str).unwrap_or_default();
        let Some((algorithm, session)) = Algorithm::by_name(get("algorithm")) else { return Verdict::Refused };
        let (nonce, uri, cnonce, nc) = (get("nonce"), get("uri"), get("cnonce"), get("nc"));
        // Computed in every case, so that an unknown user takes as long as a wrong password.
        let mut ha1 = algorithm.hash(format!("{username}:{realm}:{password}"));
        if session {
            ha1 = algorithm.hash(format!("{ha1}:{nonce}:{cnonce}"));
        }
        let ha2 = algorithm.hash(format!("{}:{uri}", message.method()));
        let wanted = match get("qop") {
            "" => algorithm.hash(format!("{ha1}:{nonce}:{ha2}")),
            qop => algorithm.hash(format!("{ha1}:{nonce}:{nc}:{cnonce}:{qop}:{ha2}")),
        };
        let response = get("response").to_ascii_lowercase();
        let right = bool::from(wanted.as_bytes().ct_eq(response.as_bytes()))
            & bool::from(get("username").as_bytes().ct_eq(username.as_bytes()))
            & (get("realm") == realm)
            & matches!(get("qop"), "" | "auth")
            & (uri == message.request_uri());
        let Some(age) = self.age(nonce, realm, now) else { return Verdict::Refused };
        match (right, age > limits::NONCE_LIFETIME.as_secs() as i64) {
            (false, _) => Verdict::Refused,
            (true, true) => Verdict::Stale,
            (true, false) if self.is_fresh(nonce, nc) => Verdict::Accepted,
            (true, false) => Verdict::Stale,
        }
    }

    /// Seconds since we made the nonce; `None` if we did not.
    fn age(&self, nonce: &str, realm: &str, now: Time) -> Option<i64> {
        let bytes = BASE64.decode(nonce).ok()?;
        let second = i64::from_be_bytes(bytes.get(..8)?.try_into().ok()?);
        let serial = u64::from_be_bytes(bytes.get(8..16)?.try_into().ok()?);
        let genuine = bool::from(self.nonce(realm, second, serial).as_bytes().ct_eq(nonce.as_bytes()));
        genuine.then(|| now.unix_seconds().saturating_sub(second))
    }

    /// A nonce count must grow; the oldest nonces are forgotten first.
    fn is_fresh(&mut self, nonce: &str, nc: &str) -> bool {
        let count = if nc.is_empty() { 1 } else { u32::from_str_radix(nc, 16).unwrap_or(0) };
        if let Some(held) = self.counts.get_mut(nonce) {
            let fresh = count > *held;
            *held = count.max(*held);
            return fresh;
        }
        if self.order.len() >= NONCES
            && let Some(oldest) = self.order.pop_front()
        {
            self.counts.remove(&oldest);
        }
        self.order.push_back(nonce.to_owned());
        self.counts.insert(nonce.to_owned(), count);
        count > 0
    }
}

/// The first entry of the scheme, escapes undone.
fn parameters(value: &str) -> Option<BTreeMap<String, String>> {
    let entry = entries(value).into_iter().next()?;
    Some(entry.into_iter().map(|(name, value)| (name, unescaped(&value))).collect())
}
