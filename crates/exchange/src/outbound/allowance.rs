//! How many calls a trunk may make: a second, and at a time.

use crate::command::{ApiError, Code};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use trunkline_routing::record::Options;
use trunkline_types::{Time, TrunkId};

/// What trunks have begun and what runs.
#[derive(Debug, Default)]
pub(crate) struct Allowance {
    running: BTreeMap<TrunkId, u32>,
    /// When calls of the last second were begun, of trunks with a limit.
    begun: BTreeMap<TrunkId, VecDeque<Time>>,
}

/// Calls a second that are counted one by one; a higher limit is this.
const COUNTED: usize = 10_000;

impl Allowance {
    /// Takes one call out of the trunk's allowance.
    ///
    /// # Errors
    /// It is used up.
    pub(crate) fn take(&mut self, trunk: &TrunkId, options: &Options, now: Time) -> Result<(), ApiError> {
        let running = self.running.get(trunk).copied().unwrap_or(0);
        if options.max_calls.is_some_and(|max| running >= max) {
            return Err(ApiError::new(Code::ResourceExhausted, "concurrent call limit exceeded"));
        }
        if let Some(rate) = options.calls_per_second {
            let begun = self.begun.entry(trunk.clone()).or_default();
            while begun.front().is_some_and(|at| now.since(*at) >= Duration::from_secs(1)) {
                begun.pop_front();
            }
            if begun.len() >= usize::try_from(rate).unwrap_or(COUNTED).min(COUNTED) {
                return Err(ApiError::new(Code::ResourceExhausted, "cps limit exceeded"));
            }
            begun.push_back(now);
        } else {
            self.begun.remove(trunk);
        }
        self.running.insert(trunk.clone(), running.saturating_add(1));
        Ok(())
    }

    /// Gives a call's place back.
    pub(crate) fn give_back(&mut self, trunk: &TrunkId) {
        if let Some(running) = self.running.get_mut(trunk) {
            *running = running.saturating_sub(1);
            if *running == 0 {
                self.running.remove(trunk);
                self.begun.retain(|held, begun| held != trunk || !begun.is_empty());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_a_second_and_calls_at_a_time() {
        let (mut allowance, trunk) = (Allowance::default(), TrunkId::from("ST_1"));
        let at = |ms: u64| Time::new(ms * 1_000_000, 0);
        let options = Options { calls_per_second: Some(2), max_calls: Some(3), ..Options::default() };
        let mut take = |ms| allowance.take(&trunk, &options, at(ms)).map_err(|e| e.message);
        assert_eq!([take(0), take(10)], [Ok(()), Ok(())]);
        assert_eq!(take(20), Err("cps limit exceeded".into()));
        assert_eq!(take(1_000), Ok(()));
        assert_eq!(take(3_000), Err("concurrent call limit exceeded".into()));
        allowance.give_back(&trunk);
        assert!(allowance.take(&trunk, &options, at(3_000)).is_ok());
        assert!(allowance.take(&TrunkId::from("ST_2"), &Options::default(), at(3_000)).is_ok());
    }
}
