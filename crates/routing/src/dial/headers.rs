//! Headers of the INVITE: the request's over the trunk's, and the `Route` among them.

use crate::{Refusal, validate};
use std::collections::BTreeMap;
use trunkline_types::limits;

const ROUTE: &str = "route";

/// Checks the headers of a request: names, values, and that none belongs to the dialog, but `Route`,
/// which says where the INVITE goes first.
pub(crate) fn check_headers(given: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let (routes, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
        given.clone().into_iter().partition(|(name, _)| name.eq_ignore_ascii_case(ROUTE));
    for value in routes.values() {
        routes_of("headers", value)?;
    }
    validate::headers("headers", &others)
}

/// The trunk's headers under the request's; names compare in any case. `Route` is taken out.
pub(crate) fn overlaid(
    trunk: &BTreeMap<String, String>,
    request: &BTreeMap<String, String>,
) -> Result<(BTreeMap<String, String>, Vec<String>), Refusal> {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    let mut routes = Vec::new();
    for (name, value) in trunk {
        headers.insert(name.clone(), value.clone());
    }
    for (name, value) in request {
        headers.retain(|held, _| !held.eq_ignore_ascii_case(name));
        headers.insert(name.clone(), value.clone());
    }
    for (_, value) in headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(ROUTE)) {
        routes.extend(routes_of("headers", value)?);
    }
    headers.retain(|name, _| !name.eq_ignore_ascii_case(ROUTE));
    Ok((headers, routes))
}

/// A proxy or route of the options may be a bare `host[:port]`.
pub(crate) fn route_text(text: &str) -> String {
    let bare = super::place::Place::parse("", text).is_ok();
    if bare { format!("sip:{text}") } else { text.to_owned() }
}

/// Checks a proxy or route of the options.
pub(crate) fn check_route(field: &str, text: &str) -> Result<(), Refusal> {
    routes_of(field, &route_text(text)).map(|_| ())
}

/// The entries of a Route value, each as `<uri;lr>` with its parameters as they were given.
pub(crate) fn routes_of(field: &str, value: &str) -> Result<Vec<String>, Refusal> {
    let mut routes = Vec::new();
    for entry in value.split(',') {
        let uri = super::target::bare_uri(field, entry.trim_matches(' '))?;
        if super::target::scheme_is(&uri, "tel") {
            return Err(Refusal::invalid(field, format!("{entry:?} is no way to a server: sip:host[:port] is")));
        }
        let loose =
            uri.split(';').skip(1).any(|p| p.eq_ignore_ascii_case("lr") || p.to_ascii_lowercase().starts_with("lr="));
        routes.push(if loose { format!("<{uri}>") } else { format!("<{uri};lr>") });
    }
    if routes.len() > limits::ROUTES {
        return Err(Refusal::invalid(field, format!("more than {} routes", limits::ROUTES)));
    }
    Ok(routes)
}

#[cfg(test)]
mod tests {
    use super::{check_headers, overlaid, routes_of};
    use std::collections::BTreeMap;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()
    }

    #[test]
    fn the_request_wins_in_any_case_and_routes_are_apart() {
        let trunk = map(&[("X-A", "trunk"), ("X-B", "trunk")]);
        let request = map(&[("x-a", "request"), ("Route", "<sip:p1;lr>, sip:p2:5070")]);
        let (headers, routes) = overlaid(&trunk, &request).unwrap();
        assert_eq!(headers, map(&[("x-a", "request"), ("X-B", "trunk")]));
        assert_eq!(routes, ["<sip:p1;lr>", "<sip:p2:5070;lr>"]);
    }

    #[test]
    fn what_belongs_to_the_dialog_is_refused() {
        for name in ["From", "v", "Authorization", "Contact", "X A", ""] {
            assert_eq!(check_headers(&map(&[(name, "x")])).unwrap_err().field, "headers", "{name}");
        }
        for value in ["a\r\nb", "a\0b", "a\u{7f}"] {
            assert!(check_headers(&map(&[("X-A", value)])).is_err(), "{value:?}");
        }
        check_headers(&map(&[("route", "sip:p;lr"), ("P-Asserted-Identity", "<sip:a@b>"), ("X-A", "")])).unwrap();
        assert!(routes_of("f", "tel:+1").is_err());
        assert!(routes_of("f", "<sip:a>,").is_err());
    }
}
