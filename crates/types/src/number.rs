//! Phone numbers, normalised the same way everywhere.

/// A number as trunks and rules compare it (LiveKit's rule): digits with `+`, space, dash and
/// parentheses lose the punctuation and get a leading `+`; everything else stays as it is.
pub fn normalize_number(text: &str) -> String {
    let rest = text.strip_prefix('+').unwrap_or(text);
    let is_number = !rest.is_empty()
        && rest.bytes().all(|b| b.is_ascii_digit() || b"- ()".contains(&b))
        && rest.bytes().any(|b| b.is_ascii_digit());
    if !is_number {
        return text.to_owned();
    }
    let mut number = String::with_capacity(rest.len() + 1);
    number.push('+');
    number.extend(rest.chars().filter(char::is_ascii_digit));
    number
}

#[cfg(test)]
mod tests {
    use super::normalize_number;

    #[test]
    fn punctuation_goes_and_a_plus_comes() {
        for (given, wanted) in [
            ("", ""),
            ("5551234", "+5551234"),
            ("+1 (555) 123-4567", "+15551234567"),
            ("alice", "alice"),
            ("+", "+"),
            ("1*2", "1*2"),
            ("++1", "++1"),
        ] {
            assert_eq!(normalize_number(given), wanted, "{given}");
        }
    }
}
