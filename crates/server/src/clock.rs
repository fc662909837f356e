//! The one clock: monotonic nanoseconds since the process began, and the wall clock then.

use std::{
    sync::LazyLock,
    time::{Instant, SystemTime, UNIX_EPOCH},
};
use trunkline_types::Time;

static BEGINNING: LazyLock<(Instant, i64)> = LazyLock::new(beginning);

#[expect(clippy::disallowed_methods, reason = "this is where the process reads its clocks")]
fn beginning() -> (Instant, i64) {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (Instant::now(), i64::try_from(wall.as_nanos()).unwrap_or(i64::MAX))
}

/// Now.
pub(crate) fn now() -> Time {
    let (begun, wall) = *BEGINNING;
    Time::new(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX), wall)
}
