//! Moving a caller on: one transfer as a value. Several ways are tried, one after the other, each
//! within its share of the time; what the far end says of a REFER (RFC 3515) is judged here.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use trunkline_types::{Pii, Time};

/// A way to move a caller on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// REFER (RFC 3515).
    Refer,
    /// We call the target, and it joins the room.
    Bridge,
    /// BYE with the mapped headers: the far end routes on.
    ByeHeaders,
    /// The call goes on with the agent, who is told.
    Agent,
}

impl Method {
    /// As attributes and records name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refer => "refer",
            Self::Bridge => "bridge",
            Self::ByeHeaders => "bye_headers",
            Self::Agent => "agent",
        }
    }

    /// Whether it is decided at once.
    const fn is_instant(self) -> bool {
        matches!(self, Self::ByeHeaders | Self::Agent)
    }
}

/// How a transfer went: LiveKit's `SIPTransferStatus` and `SIPTransferReason` in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "LiveKit's names")]
pub enum TransferOutcome {
    Completed,
    CallEnded,
    Rejected,
    RingingTimeout,
    SubscriptionTerminated,
    Canceled,
}

impl TransferOutcome {
    /// As attributes name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::CallEnded => "call_ended",
            Self::Rejected => "rejected",
            Self::RingingTimeout => "ringing_timeout",
            Self::SubscriptionTerminated => "subscription_terminated",
            Self::Canceled => "canceled",
        }
    }
}

/// Somebody wants the caller moved on.
#[derive(Clone, Debug)]
pub struct TransferOrder {
    /// `STR_…`.
    pub id: String,
    /// The URI, byte for byte, without angle brackets.
    pub target: Pii<String>,
    /// Headers of the REFER, over mapped attributes; validated.
    pub headers: Vec<(String, String)>,
    /// The caller hears a ringing tone until it is decided.
    pub dialtone: bool,
    /// How long all of it may take.
    pub timeout: Duration,
    /// What to try, in order.
    pub methods: Vec<Method>,
}

/// One transfer of a call, as its record keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferRecord {
    /// `STR_…`.
    pub id: String,
    /// The target as given.
    pub target: String,
    /// Unix milliseconds.
    pub started_at_ms: i64,
    /// Decided, Unix milliseconds.
    pub ended_at_ms: Option<i64>,
    /// How it went, once it is decided.
    pub outcome: Option<TransferOutcome>,
    /// What the far end said last: status and phrase.
    pub sip_status: Option<(u16, String)>,
    /// One per way that was tried.
    pub attempts: Vec<Attempt>,
}

/// One way that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Which.
    pub method: Method,
    /// What came of it, for the operator; empty while it is under way.
    pub text: String,
}

/// What a NOTIFY of our REFER's subscription says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notified {
    /// The status line of the `message/sipfrag`.
    pub status: Option<(u16, String)>,
    /// `Subscription-State: terminated`.
    pub terminated: bool,
}

/// Why a way did not lead there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) outcome: TransferOutcome,
    pub(crate) status: Option<(u16, String)>,
    pub(crate) text: String,
}

/// How far the way under way is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Going,
    Done(Option<(u16, String)>),
    Failed(Failure),
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    pub(crate) order: TransferOrder,
    /// How many ways are taken.
    taken: usize,
    stage: Stage,
    /// Of all of it.
    deadline: Time,
    /// Of the way under way.
    pub(crate) step_deadline: Time,
    /// What the ways before came to.
    pub(crate) failure: Option<Failure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    /// REFER is out.
    Referring,
    /// The far end has taken it.
    Referred,
    /// The target is being called.
    Bridging,
}

impl Transfer {
    pub(crate) fn new(order: TransferOrder, now: Time) -> Self {
        let deadline = now + order.timeout;
        Self { order, taken: 0, stage: Stage::Idle, deadline, step_deadline: deadline, failure: None }
    }

    /// The next way to try, with its share of the time that is left.
    pub(crate) fn next_method(&mut self, now: Time) -> Option<Method> {
        let method = *self.order.methods.get(self.taken)?;
        let later = self.order.methods.iter().skip(self.taken);
        let slow = u32::try_from(later.filter(|m| !m.is_instant()).count()).unwrap_or(u32::MAX).max(1);
        self.step_deadline = now + self.deadline.since(now) / slow;
        self.taken = self.taken.saturating_add(1);
        self.stage = match method {
            Method::Refer => Stage::Referring,
            Method::Bridge => Stage::Bridging,
            Method::ByeHeaders | Method::Agent => Stage::Idle,
        };
        Some(method)
    }

    /// The far end is on its way to the target, as far as it has said.
    pub(crate) fn is_referred(&self) -> bool {
        self.stage == Stage::Referred
    }

    pub(crate) fn is_bridging(&self) -> bool {
        self.stage == Stage::Bridging
    }

    /// The final answer to our REFER. Without a subscription it is all that will ever be heard
    /// (RFC 4488).
    pub(crate) fn refer_answered(&mut self, status: u16, reason: &str, subscribed: bool) -> Progress {
        if self.stage != Stage::Referring && self.stage != Stage::Referred {
            return Progress::Going;
        }
        if status >= 300 {
            return rejected(status, reason, "the far end refused the REFER");
        }
        self.stage = Stage::Referred;
        if subscribed { Progress::Going } else { Progress::Done(Some((status, reason.to_owned()))) }
    }

    /// Our REFER was never answered.
    pub(crate) fn refer_failed(&self, why: &str) -> Progress {
        if self.stage != Stage::Referring {
            return Progress::Going;
        }
        let text = format!("the REFER was not answered: {why}");
        Progress::Failed(Failure { outcome: TransferOutcome::Canceled, status: Some((408, String::new())), text })
    }

    /// A NOTIFY has come, perhaps before the answer to the REFER.
    pub(crate) fn notified(&mut self, notified: &Notified) -> Progress {
        if !matches!(self.stage, Stage::Referring | Stage::Referred) {
            return Progress::Going;
        }
        self.stage = Stage::Referred;
        match &notified.status {
            Some((status, reason)) if (200..300).contains(status) => Progress::Done(Some((*status, reason.clone()))),
            Some((status, reason)) if *status >= 300 => rejected(*status, reason, "the target refused"),
            status if notified.terminated => Progress::Failed(Failure {
                outcome: TransferOutcome::SubscriptionTerminated,
                status: status.clone(),
                text: "the far end ended the subscription without an outcome".into(),
            }),
            _ => Progress::Going,
        }
    }

    /// What calling the target came to.
    pub(crate) fn bridged(&self, result: Result<(), (Option<(u16, String)>, String)>) -> Progress {
        match result {
            _ if self.stage != Stage::Bridging => Progress::Going,
            Ok(()) => Progress::Done(None),
            Err((status, text)) => Progress::Failed(Failure { outcome: TransferOutcome::Rejected, status, text }),
        }
    }

    /// The way under way has used up its time.
    pub(crate) fn timed_out(&self) -> Failure {
        let text = match self.stage {
            Stage::Referring => "the REFER was not answered in time",
            Stage::Referred => "the far end did not tell in time how it went",
            Stage::Idle | Stage::Bridging => "the target did not answer in time",
        };
        Failure { outcome: TransferOutcome::RingingTimeout, status: None, text: text.into() }
    }
}

fn rejected(status: u16, reason: &str, who: &str) -> Progress {
    let text = format!("{who}: {status} {reason}").trim_end().to_owned();
    Progress::Failed(Failure { outcome: TransferOutcome::Rejected, status: Some((status, reason.into())), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::new(seconds * 1_000_000_000, 0)
    }

    fn transfer(methods: &[Method]) -> Transfer {
        let order = TransferOrder {
            id: "STR_1".into(),
            target: Pii("tel:+1".into()),
            headers: Vec::new(),
            dialtone: false,
            timeout: Duration::from_secs(30),
            methods: methods.to_vec(),
        };
        Transfer::new(order, at(0))
    }

    fn says(status: u16, terminated: bool) -> Notified {
        Notified { status: Some((status, String::new())), terminated }
    }

    fn outcome(progress: Progress) -> TransferOutcome {
        match progress {
            Progress::Failed(failure) => failure.outcome,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn any_2xx_is_success_and_anything_above_is_not() {
        for status in [200, 202, 299] {
            let mut t = transfer(&[Method::Refer]);
            t.next_method(at(0));
            assert_eq!(t.refer_answered(202, "Accepted", true), Progress::Going);
            assert_eq!(t.notified(&says(100, false)), Progress::Going);
            assert_eq!(t.notified(&says(status, true)), Progress::Done(Some((status, String::new()))));
        }
        for status in [300, 486, 603] {
            let mut t = transfer(&[Method::Refer]);
            t.next_method(at(0));
            assert_eq!(outcome(t.notified(&says(status, true))), TransferOutcome::Rejected);
        }
    }

    #[test]
    fn a_subscription_that_ends_without_outcome_is_a_failure() {
        for status in [None, Some((100, String::new()))] {
            let mut t = transfer(&[Method::Refer]);
            t.next_method(at(0));
            let ended = t.notified(&Notified { status, terminated: true });
            assert_eq!(outcome(ended), TransferOutcome::SubscriptionTerminated);
        }
    }

    #[test]
    fn without_a_subscription_the_answer_is_all() {
        let mut t = transfer(&[Method::Refer]);
        t.next_method(at(0));
        assert!(matches!(t.refer_answered(202, "Accepted", false), Progress::Done(_)));
        assert_eq!(outcome(transfer_refused(405)), TransferOutcome::Rejected);
    }

    fn transfer_refused(status: u16) -> Progress {
        let mut t = transfer(&[Method::Refer]);
        t.next_method(at(0));
        t.refer_answered(status, "No", true)
    }

    #[test]
    fn the_time_is_shared_between_the_ways() {
        let mut t = transfer(&[Method::Refer, Method::Bridge, Method::Agent]);
        assert_eq!(t.next_method(at(0)), Some(Method::Refer));
        assert_eq!(t.step_deadline, at(15));
        assert_eq!(t.timed_out().outcome, TransferOutcome::RingingTimeout);
        assert_eq!(t.next_method(at(15)), Some(Method::Bridge));
        assert_eq!(t.step_deadline, at(30));
        assert_eq!(t.notified(&says(200, true)), Progress::Going, "what is no longer asked for decides nothing");
        assert_eq!(t.next_method(at(30)), Some(Method::Agent));
        assert_eq!(t.next_method(at(30)), None);
    }
}
