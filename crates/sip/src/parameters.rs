//! A header value of the form `value;name=value;name` (RFC 3261 §25.1, `generic-param`).

use crate::address::split_outside;

/// The value and what stands behind it.
#[derive(Debug)]
pub(crate) struct Parameters<'a> {
    pub(crate) value: &'a str,
    rest: Vec<(&'a str, Option<&'a str>)>,
}

impl<'a> Parameters<'a> {
    /// Reads one value of a header; white space around every part is tolerated.
    pub(crate) fn read(text: &'a str) -> Self {
        let mut parts = split_outside(text, b';').into_iter();
        let value = parts.next().unwrap_or_default();
        let rest = parts
            .filter(|part| !part.is_empty())
            .map(|part| match part.split_once('=') {
                Some((name, value)) => (name.trim(), Some(value.trim())),
                None => (part, None),
            })
            .collect();
        Self { value, rest }
    }

    /// How often a parameter stands there.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.rest.iter().filter(|(held, _)| held.eq_ignore_ascii_case(name)).count()
    }

    /// The first value of a parameter, as it stands there.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.rest.iter().find(|(held, _)| held.eq_ignore_ascii_case(name)).and_then(|(_, value)| *value)
    }
}
