//! When a thread hands over what it has to tell: each time wakes the thread that takes it, which on a
//! machine with few cores then runs in place of this one.

use std::time::Duration;
use trunkline_call::media::MediaFact;
use trunkline_types::Time;

/// So long what can wait gathers after the last time.
pub(super) const GATHERED: Duration = Duration::from_millis(20);
/// Facts that are gathered without asking for more memory.
pub(super) const ROOM: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Reporting {
    last: Option<Time>,
}

impl Reporting {
    /// All of the facts if it is time for them: one of them cannot wait, or they have gathered for long
    /// enough.
    pub(super) fn due(&mut self, facts: &mut Vec<MediaFact>, now: Time) -> Option<Vec<MediaFact>> {
        let have_gathered = self.last.is_none_or(|last| now.since(last) >= GATHERED);
        if facts.is_empty() || !(have_gathered || facts.iter().any(|fact| !fact.can_wait())) {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::replace(facts, Vec::with_capacity(ROOM)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load() -> MediaFact {
        MediaFact::Load { thread: 0, busy: 0.5, spared: Duration::ZERO, left_out: Duration::ZERO, dropped: 0 }
    }

    fn urgent() -> MediaFact {
        MediaFact::Peer(trunkline_call::media::peer::PeerFact::Stuck { participant: "PA_1".into() })
    }

    #[test]
    fn what_can_wait_gathers_and_what_cannot_takes_it_along() {
        let (mut reporting, mut facts) = (Reporting::default(), Vec::new());
        let at = |milli: u64| Time::new(milli * 1_000_000, 0);
        assert!(reporting.due(&mut facts, at(0)).is_none());
        facts.push(load());
        assert_eq!(reporting.due(&mut facts, at(1)).map(|told| told.len()), Some(1));
        facts.extend([load(), load()]);
        assert!(reporting.due(&mut facts, at(20)).is_none());
        assert_eq!(reporting.due(&mut facts, at(21)).map(|told| told.len()), Some(2));
        facts.extend([load(), urgent(), load()]);
        let told = reporting.due(&mut facts, at(22)).unwrap();
        assert!(matches!(told[..], [MediaFact::Load { .. }, MediaFact::Peer(_), MediaFact::Load { .. }]));
        assert!(reporting.due(&mut facts, at(60)).is_none());
    }
}
