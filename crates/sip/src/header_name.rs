//! Names of headers, short and long.

/// Long names of the compact forms (RFC 3261 §7.3.3 and later).
pub(crate) fn long_name(name: &str) -> &str {
    let [letter] = name.as_bytes() else { return name };
    match letter.to_ascii_lowercase() {
        b'v' => "Via",
        b'f' => "From",
        b't' => "To",
        b'i' => "Call-ID",
        b'm' => "Contact",
        b'l' => "Content-Length",
        b'c' => "Content-Type",
        b'e' => "Content-Encoding",
        b's' => "Subject",
        b'k' => "Supported",
        b'o' => "Event",
        b'r' => "Refer-To",
        b'b' => "Referred-By",
        b'u' => "Allow-Events",
        b'x' => "Session-Expires",
        _ => name,
    }
}
