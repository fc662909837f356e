//! What an answered call holds beside its offer and answer: the session timer, who holds whom, our
//! own offer under way, digits to send.

use crate::{media::Sound, session_timer::SessionTimer};
use std::{collections::VecDeque, time::Duration};
use trunkline_sdp::{Local, Session};
use trunkline_types::{Time, limits};

/// Between two digits by INFO.
pub(crate) const DIGIT_PACE: Duration = Duration::from_millis(300);
/// What a `w` among digits lasts.
pub(crate) const PAUSE: Duration = Duration::from_millis(500);
/// How long the far end may take to hang up after a transfer.
pub(crate) const LEAVES_WITHIN: Duration = Duration::from_secs(1);

/// What holds for a call in its middle, and stays so.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The `Session-Expires` we would like, seconds; 0 for none.
    pub session_expires: u32,
    /// Music for whom we put on hold.
    pub hold_music: bool,
    /// Digits go by INFO.
    pub dtmf_by_info: bool,
    /// A REFER of the far end is taken.
    pub incoming_refer: bool,
    /// What to try for a transfer, in order.
    pub transfer: Vec<crate::transfer::Method>,
}

/// What the far end can do, and the timer both sides have agreed on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Agreed {
    pub(crate) timer: Option<SessionTimer>,
    /// It lists UPDATE in its `Allow`.
    pub(crate) takes_update: bool,
    /// Media is encrypted.
    pub(crate) secure: bool,
}

/// An offer of ours in the middle of the call.
#[derive(Clone, Debug)]
pub(crate) struct Reoffer {
    pub(crate) offer: Session,
    pub(crate) local: Local,
    /// It is to put the far end on hold, or to take it back.
    pub(crate) hold: bool,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct MidCall {
    pub(crate) agreed: Agreed,
    /// The far end holds us.
    pub(crate) held: bool,
    /// We hold the far end.
    pub(crate) holding: bool,
    /// We shall.
    pub(crate) hold_wanted: bool,
    /// Somebody waits to hear that it is so.
    pub(crate) hold_asked: bool,
    pub(crate) reoffer: Option<Box<Reoffer>>,
    /// The next offer refreshes the session, for the far end knows no UPDATE.
    pub(crate) refresh_by_offer: bool,
    /// When an offer that met another is made again.
    pub(crate) again_at: Option<Time>,
    pub(crate) playing: Option<Sound>,
    pub(crate) digits: VecDeque<char>,
    pub(crate) digit_at: Option<Time>,
    /// The far end has been moved on: when we hang up, if it does not.
    pub(crate) leave_at: Option<Time>,
    /// A REFER of the far end is being carried out.
    pub(crate) referred: Option<Referred>,
    /// So many REFERs of the far end have been taken.
    pub(crate) refers: u32,
}

/// A REFER of the far end that has been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Referred {
    /// What tells its NOTIFYs from those of another: its CSeq number, unless it is the first of the
    /// dialog (RFC 3515 §2.4.6).
    pub(crate) id: Option<u32>,
}

impl MidCall {
    pub(crate) fn deadline(&self) -> Option<Time> {
        let timer = self.agreed.timer.as_ref().map(SessionTimer::deadline);
        [timer, self.again_at, self.digit_at, self.leave_at].into_iter().flatten().min()
    }

    /// Takes digits to be sent by INFO; more than a bound are dropped.
    pub(crate) fn queue_digits(&mut self, digits: &str, now: Time) {
        let known = digits.chars().filter(|c| c.is_ascii_digit() || "*#ABCDabcdw".contains(*c));
        let room = limits::DIGITS_QUEUED.saturating_sub(self.digits.len());
        self.digits.extend(known.take(room));
        if !self.digits.is_empty() {
            self.digit_at.get_or_insert(now);
        }
    }

    /// The digit that is due, if it is one and no pause.
    pub(crate) fn next_digit(&mut self, now: Time) -> Option<char> {
        let next = self.digits.pop_front();
        self.digit_at = next.map(|digit| now + if digit == 'w' { PAUSE } else { DIGIT_PACE });
        next.filter(|digit| *digit != 'w').map(|digit| digit.to_ascii_uppercase())
    }
}
