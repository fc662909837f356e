//! What can be written.

use trunkline_call::record::CallRecord;
use trunkline_routing::record::{DispatchRule, InboundTrunk, Options, OutboundTrunk};
use trunkline_types::{RuleId, TrunkId};

/// Whose options.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OptionsOwner {
    /// A trunk's.
    Trunk(TrunkId),
    /// A dispatch rule's.
    Rule(RuleId),
}

/// One write, durable as a whole or not at all.
#[derive(Clone, Debug)]
pub enum Write {
    /// Creates or replaces an inbound trunk.
    PutInboundTrunk(InboundTrunk),
    /// Creates or replaces an outbound trunk.
    PutOutboundTrunk(OutboundTrunk),
    /// Deletes a trunk of either kind and its options.
    DeleteTrunk(TrunkId),
    /// Creates or replaces a dispatch rule.
    PutRule(DispatchRule),
    /// Deletes a dispatch rule and its options.
    DeleteRule(RuleId),
    /// Replaces the options of a trunk or a rule.
    PutOptions(OptionsOwner, Options),
    /// Creates or replaces the one record of a call. Once a record is over it is replaced only by
    /// one that is over, too.
    PutCall(CallRecord),
}
