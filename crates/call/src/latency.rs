//! How long audio takes, as attributes of the caller's participant.

use crate::facts::Attribute;
use std::collections::BTreeMap;
use trunkline_types::Summary;

/// 95 % of the caller's audio has been passed on to the room within so many milliseconds.
pub(crate) const UP: &str = "trunkline.audioUpP95Ms";
/// 95 % of the room's audio has been passed on to the caller within so many milliseconds, what the
/// jitter buffer holds it back included.
pub(crate) const DOWN: &str = "trunkline.audioDownP95Ms";

/// Those of the two attributes that are new or have changed noticeably: by more than a quarter and
/// by more than 1 ms. Each change is told to everybody in the room.
pub(crate) fn changed(held: &BTreeMap<String, Attribute>, up: Summary, down: Summary) -> BTreeMap<String, String> {
    let mut changes = BTreeMap::new();
    for (name, summary) in [(UP, up), (DOWN, down)] {
        let told = held.get(name).and_then(|attribute| attribute.value.parse::<f64>().ok());
        // Tenths of a millisecond are as far as the figure goes.
        let now = summary.p95_us.div_ceil(100) as f64 / 10.0;
        let is_noticeable = told.is_none_or(|told| (now - told).abs() > (told / 4.0).max(1.0));
        if summary.count > 0 && is_noticeable {
            changes.insert(name.to_owned(), format!("{now:.1}"));
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_types::Time;

    fn of(p95_us: u64) -> Summary {
        Summary { count: 500, p95_us, ..Summary::default() }
    }

    #[test]
    fn only_a_noticeable_change_is_told() {
        let mut held = BTreeMap::new();
        assert!(changed(&held, Summary::default(), Summary::default()).is_empty());
        let first = changed(&held, of(1_230), of(61_000));
        assert_eq!(first, BTreeMap::from([(UP.into(), "1.3".into()), (DOWN.into(), "61.0".into())]));
        for (name, value) in first {
            held.insert(name, Attribute { value, set_at: Time::default() });
        }
        assert!(changed(&held, of(2_200), of(75_000)).is_empty());
        let second = changed(&held, of(2_400), of(77_000));
        assert_eq!(second.into_values().collect::<Vec<_>>(), ["77.0", "2.4"]);
    }
}
