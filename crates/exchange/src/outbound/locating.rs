//! Where the far end is (RFC 3263): the question, its answer, and the order in which to try.

use super::question::{Asker, literal, query_of};
use crate::{Exchange, Output, port::QueryId};
use trunkline_call::dial::DialFailure;
use trunkline_sip::locate::{self, Records, Target};
use trunkline_types::{CallId, Time};

/// Targets of one call.
const MAX_TARGETS: usize = 32;

impl Exchange {
    /// Asks where the call's far end is.
    pub(super) fn locate_far_end(&mut self, id: &CallId, now: Time, outputs: &mut Vec<Output>) {
        let Some(leg) = self.outbound.legs.get(id) else { return };
        let query = query_of(&leg.plan.next_hop, leg.plan.trunk.transport);
        if query.host.is_empty() {
            return self.dial_failed(id, DialFailure::Unresolved("there is no host in it".into()), now, outputs);
        }
        match literal(&query) {
            Some(target) => self.far_end_located(id, vec![target], now, outputs),
            None => {
                let number = self.outbound.questions.ask(Asker::Call(id.clone()), query.clone());
                outputs.push(Output::Resolve(number, query));
            }
        }
    }

    /// The DNS has answered.
    pub(crate) fn resolved(
        &mut self,
        number: QueryId,
        answer: Result<Records, String>,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let Some((asker, query)) = self.outbound.questions.answered(number) else { return };
        let located = answer.map(|records| locate::order(&query, &records, &mut self.random));
        match asker {
            Asker::Call(id) => match located {
                Err(why) => self.dial_failed(&id, DialFailure::Unresolved(why), now, outputs),
                Ok(targets) => self.far_end_located(&id, targets, now, outputs),
            },
            Asker::Trunk(trunk) => self.registrar_located(&trunk, located.unwrap_or_default(), now, outputs),
        }
    }

    fn far_end_located(&mut self, id: &CallId, found: Vec<Target>, now: Time, outputs: &mut Vec<Output>) {
        let (mut targets, mut own, mut reachable) = (Vec::<Target>::new(), false, true);
        for target in found.into_iter().take(MAX_TARGETS) {
            if self.outbound.own.is_own(target.protocol, target.address) {
                own = true;
            } else if self.outbound.own.flow_to(target.protocol, target.address).is_none() {
                reachable = false;
            } else if !targets.contains(&target) {
                targets.push(target);
            }
        }
        if targets.is_empty() {
            let failure = match (own, reachable) {
                (true, _) => DialFailure::Loop,
                (_, false) => DialFailure::Unreachable("no socket of ours leads there".into()),
                (false, true) => DialFailure::Unresolved("the name has no address".into()),
            };
            return self.dial_failed(id, failure, now, outputs);
        }
        // Those that failed lately last; the order among the others stays.
        targets.sort_by_key(|target| self.outbound.health.is_bad(target));
        let Some(leg) = self.outbound.legs.get_mut(id) else { return };
        leg.peers = targets.iter().map(|t| t.address.ip().to_canonical()).collect();
        leg.targets = targets.into();
        self.try_next_target(id, now, outputs);
    }
}
