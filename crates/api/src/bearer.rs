//! Where a request has its token.

use axum::http::{HeaderMap, header};

/// The token of the `Authorization` header, or without that header the query's `access_token`, as
/// browsers send it with WebSockets. `None` if there is neither.
///
/// # Errors
/// A text if the header is something else than a bearer token.
pub(crate) fn token(headers: &HeaderMap, query: Option<&str>) -> Result<Option<String>, &'static str> {
    let token = match headers.get(header::AUTHORIZATION) {
        Some(value) => {
            let bearer = value.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
            bearer.ok_or("the Authorization header is not \"Bearer\" and a token")?.to_owned()
        }
        None => crate::rtc::parameter(query.unwrap_or_default(), "access_token").unwrap_or_default(),
    };
    Ok(Some(token).filter(|token| !token.is_empty()))
}
