//! Digest (RFC 7616, RFC 8760) as a persona asks for it and answers it, apart from the stack that it
//! talks to.

use super::{script::Challenge, text::Message};
use md5::{Digest, Md5};
use sha2::{Sha256, Sha512_256};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash(algorithm: &str, text: &str) -> String {
    match algorithm.to_ascii_uppercase().trim_end_matches("-SESS") {
        "SHA-256" => hex(&Sha256::digest(text)),
        "SHA-512-256" => hex(&Sha512_256::digest(text)),
        _ => hex(&Md5::digest(text)),
    }
}

/// A parameter of a challenge or of credentials, without its quotes.
fn field<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let rest = value.trim().strip_prefix("Digest").unwrap_or(value);
    let (mut quoted, mut begin) = (false, 0);
    let mut parts = Vec::new();
    for (at, letter) in rest.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(&rest[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&rest[begin..]);
    parts.into_iter().find_map(|part| {
        let (held, value) = part.split_once('=')?;
        held.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

/// The header lines of a challenge.
pub(crate) fn lines(challenge: &Challenge, nonce: &str, stale: bool) -> String {
    let name = if challenge.status == 407 { "Proxy-Authenticate" } else { "WWW-Authenticate" };
    let line = |algorithm: &String| {
        let qop = challenge.qop.as_ref().map_or_else(String::new, |qop| format!(", qop=\"{qop}\""));
        let stale = if stale { ", stale=true" } else { "" };
        let realm = &challenge.realm;
        format!("{name}: Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={algorithm}{qop}{stale}\r\n")
    };
    challenge.algorithms.iter().map(line).collect()
}

/// The credentials of a request, if it has some.
pub(crate) fn credentials<'a>(challenge: &Challenge, request: &'a Message) -> Option<&'a str> {
    request.header(if challenge.status == 407 { "Proxy-Authorization" } else { "Authorization" })
}

/// The nonce that credentials are for.
pub(crate) fn nonce(credentials: &str) -> &str {
    field(credentials, "nonce").unwrap_or_default()
}

/// Whether credentials are right.
pub(crate) fn is_right(challenge: &Challenge, request: &Message, credentials: &str) -> bool {
    let method = request.method().unwrap_or_default();
    let of = |name| field(credentials, name).unwrap_or_default();
    let algorithm = field(credentials, "algorithm").unwrap_or("MD5");
    let expected = response(algorithm, &challenge.user, &challenge.password, method, &request.body, credentials);
    challenge.algorithms.iter().any(|known| known.eq_ignore_ascii_case(algorithm))
        && of("username") == challenge.user
        && of("realm") == challenge.realm
        && of("response") == expected
        && challenge.qop.as_ref().is_none_or(|qop| qop.split(',').any(|known| known.trim() == of("qop")))
}

/// The response that belongs to fields in `value`.
fn response(algorithm: &str, user: &str, password: &str, method: &str, body: &str, value: &str) -> String {
    let of = |name| field(value, name).unwrap_or_default();
    let (realm, nonce, uri, qop) = (of("realm"), of("nonce"), of("uri"), of("qop"));
    let first = hash(algorithm, &format!("{user}:{realm}:{password}"));
    let second = match qop {
        "auth-int" => hash(algorithm, &format!("{method}:{uri}:{}", hash(algorithm, body))),
        _ => hash(algorithm, &format!("{method}:{uri}")),
    };
    match qop {
        "" => hash(algorithm, &format!("{first}:{nonce}:{second}")),
        _ => hash(algorithm, &format!("{first}:{nonce}:{}:{}:{qop}:{second}", of("nc"), of("cnonce"))),
    }
}

/// The header line that answers a challenge with the first algorithm that it names.
pub(crate) fn answer(
    challenged: &Message,
    user: &str,
    password: &str,
    method: &str,
    uri: &str,
    body: &str,
) -> Option<String> {
    let (name, challenge) = match challenged.status() {
        Some(407) => ("Proxy-Authorization", challenged.header("Proxy-Authenticate")?),
        _ => ("Authorization", challenged.header("WWW-Authenticate")?),
    };
    let algorithm = field(challenge, "algorithm").unwrap_or("MD5");
    let (realm, nonce) = (field(challenge, "realm")?, field(challenge, "nonce")?);
    let mut value = format!(
        "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", algorithm={algorithm}"
    );
    if let Some(qop) = field(challenge, "qop").and_then(|list| list.split(',').next()) {
        value.push_str(&format!(", qop={}, nc=00000001, cnonce=\"5f3a\"", qop.trim()));
    }
    let response = response(algorithm, user, password, method, body, &value);
    Some(format!("{name}: {value}, response=\"{response}\"\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 §3.9.1.
    #[test]
    fn the_published_examples_come_out() {
        let value = |algorithm: &str| {
            format!(
                "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", algorithm={algorithm}, \
                 nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
                 cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth"
            )
        };
        for (algorithm, expected) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let made = response(algorithm, "Mufasa", "Circle of Life", "GET", "", &value(algorithm));
            assert_eq!(made, expected);
        }
    }

    #[test]
    fn an_answer_to_our_own_challenge_is_right_and_another_body_is_not() {
        for qop in [None, Some("auth"), Some("auth-int")] {
            let challenge = Challenge {
                status: 401,
                algorithms: vec!["SHA-512-256".into(), "MD5".into()],
                qop: qop.map(str::to_owned),
                realm: "here".into(),
                user: "u".into(),
                password: "p".into(),
                methods: Vec::new(),
                stale: false,
                next_nonce: false,
            };
            let asked = format!("SIP/2.0 401 Unauthorized\r\n{}\r\n", lines(&challenge, "n", false));
            let line = answer(&Message::parse(&asked).unwrap(), "u", "p", "INVITE", "sip:x", "body").unwrap();
            let request = |body: &str| Message::parse(&format!("INVITE sip:x SIP/2.0\r\n{line}\r\n{body}")).unwrap();
            let right = |request: &Message| is_right(&challenge, request, credentials(&challenge, request).unwrap());
            assert!(right(&request("body")));
            assert_eq!(right(&request("other")), qop != Some("auth-int"));
        }
    }
}
