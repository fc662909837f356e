//! Where a 3xx sends a call (RFC 3261 §8.1.3.4): one Contact after the other, as far as the trunk's
//! options allow.

use super::leg::Leg;
use crate::{Exchange, Output};
use trunkline_call::{
    Event as CallEvent,
    dial::{DialEvent, DialFailure},
};
use trunkline_routing::record::Options;
use trunkline_sip::{Message, Uri};
use trunkline_types::{CallId, Time, limits, normalize_number};

/// Redirections of one call at most, whatever a trunk allows.
const MAX_REDIRECTS: u8 = 10;
/// Contacts of one call that wait to be tried.
const MAX_CONTACTS: usize = 10;
/// The q of a Contact that has none: nothing is to be tried before it.
const WANTED_MOST: u16 = 1_000;
/// From this status on nobody anywhere takes the call.
const NOWHERE: u16 = 600;

/// If it is a redirection that may be followed, its Contacts are what is tried next.
pub(super) fn note(leg: &mut Leg, status: u16, message: &Message) {
    let allowed = leg.plan.options.follow_redirects.unwrap_or(0).min(MAX_REDIRECTS);
    if !matches!(status, 300 | 301 | 302 | 305 | 380) || leg.redirects >= allowed {
        return;
    }
    let found = contacts(message, &leg.plan.options);
    if found.is_empty() {
        return;
    }
    leg.redirects = leg.redirects.saturating_add(1);
    for uri in found.into_iter().rev() {
        leg.contacts.push_front(uri);
    }
    leg.contacts.truncate(MAX_CONTACTS);
}

impl Exchange {
    /// What was tried last has failed: the next Contact of a redirection is tried, and if there is
    /// none, the call has failed.
    pub(super) fn failed_there(&mut self, id: &CallId, event: DialEvent, now: Time, outputs: &mut Vec<Output>) {
        let refused_everywhere = matches!(&event, DialEvent::Refused(answer) if answer.status >= NOWHERE);
        let leg = self.outbound.legs.get_mut(id).filter(|leg| !leg.cancelled && !refused_everywhere);
        let Some((leg, uri)) = leg.and_then(|leg| leg.contacts.pop_front().map(|uri| (leg, uri))) else {
            return self.events.push_back((id.clone(), CallEvent::Dial(event)));
        };
        if leg.plan.routes.is_empty() {
            // Elsewhere the trunk's credentials do not go.
            leg.plan.own_peer &= uri.host.eq_ignore_ascii_case(&Uri::parse(&leg.plan.next_hop).host);
            leg.plan.next_hop.clone_from(&uri.text);
        }
        leg.plan.request_uri = uri.text;
        if let DialEvent::Refused(answer) = event {
            leg.refusal = Some(answer);
        }
        self.locate_far_end(id, now, outputs);
    }

    pub(super) fn dial_failed(&mut self, id: &CallId, failure: DialFailure, now: Time, outputs: &mut Vec<Output>) {
        self.failed_there(id, DialEvent::Failed(failure), now, outputs);
    }
}

/// A redirection does not lead to where the trunk's own calls may not.
fn may_be_called(options: &Options, user: &str) -> bool {
    let number = normalize_number(user);
    options
        .allowed_destinations
        .as_ref()
        .is_none_or(|allowed| allowed.iter().any(|prefix| number.starts_with(&normalize_number(prefix))))
}

/// The Contacts that are SIP URIs, may be called and have nothing in them that would break a request
/// line, those with the highest q first; of equals the first.
fn contacts(message: &Message, options: &Options) -> Vec<Uri> {
    let leads_somewhere = |uri: &Uri| {
        let whole = uri.text.bytes().all(|b| b.is_ascii_graphic()) && uri.text.len() <= limits::URI_BYTES;
        matches!(uri.scheme.as_str(), "sip" | "sips") && !uri.host.is_empty() && whole
    };
    let mut usable = message.contacts();
    usable.retain(|found| leads_somewhere(&found.uri) && may_be_called(options, &found.uri.user));
    usable.sort_by_key(|found| std::cmp::Reverse(found.q.unwrap_or(WANTED_MOST)));
    usable.into_iter().map(|found| found.uri).collect()
}
