//! Session timers (RFC 4028): how long a session lives without being refreshed, and who refreshes
//! it. Whoever refreshes does so after half the interval; the other side ends the call a little
//! before the interval is over.

use std::time::Duration;
use trunkline_sip::{
    HeaderList,
    session_timer::{Refresher, SessionExpires, min_se},
};
use trunkline_types::Time;

/// The shortest interval anybody may ask for, seconds (RFC 4028 §5).
pub const SHORTEST: u32 = 90;
/// No interval is longer than a call may last.
const LONGEST: u32 = 24 * 3_600;
/// How long before the end of the interval the side that waits gives the session up (§10).
const MARGIN: Duration = Duration::from_secs(32);
/// A refresh that failed is not repeated sooner.
const AGAIN: Duration = Duration::from_secs(10);

/// What a message says about session timers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimerHeaders {
    /// `Session-Expires`.
    pub expires: Option<SessionExpires>,
    /// `Min-SE`, seconds.
    pub min_se: Option<u32>,
    /// `Supported` or `Require` names `timer`.
    pub supported: bool,
}

impl TimerHeaders {
    /// Reads them from the headers of a message; what cannot be read is not there.
    pub fn of(headers: &[(String, String)]) -> Self {
        let mut found = Self::default();
        for (name, value) in headers {
            let is = |wanted: [&str; 2]| wanted.iter().any(|w| name.eq_ignore_ascii_case(w));
            if is(["Session-Expires", "x"]) {
                found.expires = found.expires.or_else(|| SessionExpires::parse(value));
            } else if name.eq_ignore_ascii_case("Min-SE") {
                found.min_se = found.min_se.or_else(|| min_se(value));
            } else if is(["Supported", "k"]) || name.eq_ignore_ascii_case("Require") {
                found.supported |= value.split(',').any(|tag| tag.trim().eq_ignore_ascii_case("timer"));
            }
        }
        found
    }
}

/// The timer of a running session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimer {
    /// The interval, seconds.
    pub expires: u32,
    /// Whether the refreshing is ours.
    pub ours: bool,
    /// When we refresh; `None` while a refresh is under way, or if it is not ours.
    pub refresh_at: Option<Time>,
    /// When the call ends if nobody has refreshed it.
    pub expires_at: Time,
}

impl SessionTimer {
    fn new(expires: u32, ours: bool, now: Time) -> Self {
        let expires = expires.clamp(SHORTEST, LONGEST);
        let interval = Duration::from_secs(expires.into());
        let margin = MARGIN.min(interval / 3);
        Self {
            expires,
            ours,
            refresh_at: ours.then(|| now + interval / 2),
            expires_at: now + interval.saturating_sub(margin),
        }
    }

    /// The session has been waiting elsewhere: the interval begins anew.
    #[must_use]
    pub fn restarted(&self, now: Time) -> Self {
        Self::new(self.expires, self.ours, now)
    }

    /// When to look at it again.
    pub fn deadline(&self) -> Time {
        self.refresh_at.map_or(self.expires_at, |at| at.min(self.expires_at))
    }

    /// A refresh is on its way.
    pub fn refreshing(&mut self) {
        self.refresh_at = None;
    }

    /// A refresh of ours was refused: once more after half the time that is left.
    pub fn postpone(&mut self, now: Time) {
        let left = self.expires_at.since(now) / 2;
        self.refresh_at = (left >= AGAIN).then(|| now + left);
    }

    /// The far end wants a longer interval (422); whether it can be granted and was shorter so far.
    pub fn lengthen(&mut self, min_se: Option<u32>) -> bool {
        let wanted = min_se.filter(|wanted| *wanted > self.expires && *wanted <= LONGEST);
        self.expires = wanted.unwrap_or(self.expires);
        wanted.is_some()
    }

    /// The headers of an INVITE or UPDATE of ours within the session: who refreshes stays so.
    pub fn refresh_headers(&self) -> HeaderList {
        let refresher = if self.ours { Refresher::Uac } else { Refresher::Uas };
        vec![("Session-Expires".into(), stated(self.expires, refresher)), ("Min-SE".into(), SHORTEST.to_string())]
    }
}

/// What an INVITE of ours says beside the `Supported` of every INVITE: `expires` seconds are wanted; nothing if that is 0.
pub fn offered(expires: u32) -> HeaderList {
    if expires == 0 {
        return Vec::new();
    }
    let expires = expires.clamp(SHORTEST, LONGEST);
    vec![("Session-Expires".into(), expires.to_string()), ("Min-SE".into(), SHORTEST.to_string())]
}

/// What comes of the 2xx to a request of ours, if it brings a timer.
pub fn as_client(answer: &TimerHeaders, now: Time) -> Option<SessionTimer> {
    let SessionExpires { seconds, refresher } = answer.expires?;
    // Without a word the client refreshes: the server may know nothing of timers, and a proxy has
    // put the header there (§7.2).
    Some(SessionTimer::new(seconds, refresher != Some(Refresher::Uas), now))
}

/// What is to be answered to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No timer.
    None,
    /// 422 with this `Min-SE`: the interval is too short.
    TooShort(u32),
    /// The timer and the headers of the 2xx.
    Agreed(SessionTimer, HeaderList),
}

/// What comes of a request of the far end. `wanted` is the interval we would like, seconds, 0 for
/// none; an interval the far end asks for is granted in any case.
pub fn as_server(asked: &TimerHeaders, wanted: u32, now: Time) -> Verdict {
    let (expires, refresher) = match asked.expires {
        Some(stated) if stated.seconds < SHORTEST && asked.supported => return Verdict::TooShort(SHORTEST),
        Some(stated) => (stated.seconds, stated.refresher),
        None if asked.supported && wanted != 0 => (wanted.max(asked.min_se.unwrap_or(0)), None),
        None => return Verdict::None,
    };
    let expires = match wanted {
        0 => expires,
        // We may shorten what is asked, but not below what the far end bears (§9).
        wanted => expires.min(wanted).max(asked.min_se.unwrap_or(0)).max(SHORTEST),
    };
    // Who knows nothing of timers cannot refresh: then a proxy asks, and the server does it.
    let refresher = match (asked.supported, refresher) {
        (false, _) => Refresher::Uas,
        (true, stated) => stated.unwrap_or(Refresher::Uac),
    };
    let timer = SessionTimer::new(expires, refresher == Refresher::Uas, now);
    let mut headers = vec![("Session-Expires".to_owned(), stated(timer.expires, refresher))];
    if refresher == Refresher::Uac {
        headers.push(("Require".into(), "timer".into()));
    }
    Verdict::Agreed(timer, headers)
}

fn stated(seconds: u32, refresher: Refresher) -> String {
    SessionExpires { seconds, refresher: Some(refresher) }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&str, &str)]) -> TimerHeaders {
        TimerHeaders::of(&list.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>())
    }

    fn at(seconds: u64) -> Time {
        Time::new(seconds * 1_000_000_000, 0)
    }

    #[test]
    fn headers_are_read_in_their_dialects() {
        let read = headers(&[("x", "1800 ; Refresher=UAS"), ("min-se", "120;a=b"), ("Supported", "100rel, Timer")]);
        assert_eq!(read.expires, Some(SessionExpires { seconds: 1_800, refresher: Some(Refresher::Uas) }));
        assert_eq!((read.min_se, read.supported), (Some(120), true));
        for bad in ["", "-1", "x", "18 00", "+5"] {
            assert_eq!(headers(&[("Session-Expires", bad)]).expires, None, "{bad}");
        }
    }

    #[test]
    fn the_far_end_refreshes_if_it_can() {
        let asked = headers(&[("Session-Expires", "1800"), ("Supported", "timer")]);
        let Verdict::Agreed(timer, answer) = as_server(&asked, 1_800, at(0)) else { panic!("a timer") };
        assert!(!timer.ours && timer.refresh_at.is_none());
        assert_eq!(timer.expires_at, at(1_800 - 32));
        assert_eq!(answer[0].1, "1800;refresher=uac");
        assert_eq!(answer[1], ("Require".into(), "timer".into()));
    }

    #[test]
    fn we_refresh_for_who_cannot() {
        let Verdict::Agreed(timer, answer) = as_server(&headers(&[("Session-Expires", "90")]), 1_800, at(0)) else {
            panic!("a timer")
        };
        assert_eq!((timer.ours, timer.refresh_at, timer.expires_at), (true, Some(at(45)), at(60)));
        assert_eq!(answer, [("Session-Expires".to_owned(), "90;refresher=uas".to_owned())]);
    }

    #[test]
    fn too_short_an_interval_is_refused_and_a_long_one_shortened() {
        let short = headers(&[("Session-Expires", "89"), ("Supported", "timer")]);
        assert_eq!(as_server(&short, 0, at(0)), Verdict::TooShort(90));
        let long = headers(&[("Session-Expires", "4294967295"), ("Supported", "timer"), ("Min-SE", "3600")]);
        let Verdict::Agreed(timer, _) = as_server(&long, 1_800, at(0)) else { panic!("a timer") };
        assert_eq!(timer.expires, 3_600);
        let Verdict::Agreed(timer, _) = as_server(&long, 0, at(0)) else { panic!("a timer") };
        assert_eq!(timer.expires, LONGEST);
    }

    #[test]
    fn nobody_is_timed_who_did_not_ask_and_cannot() {
        assert_eq!(as_server(&TimerHeaders::default(), 1_800, at(0)), Verdict::None);
        assert_eq!(as_server(&headers(&[("Supported", "timer")]), 0, at(0)), Verdict::None);
        assert!(matches!(as_server(&headers(&[("Supported", "timer")]), 600, at(0)), Verdict::Agreed(..)));
        assert_eq!(as_client(&headers(&[("Supported", "timer")]), at(0)), None);
    }

    #[test]
    fn as_client_we_refresh_unless_the_server_does() {
        let ours = as_client(&headers(&[("Session-Expires", "90")]), at(0)).unwrap();
        assert_eq!((ours.ours, ours.refresh_at), (true, Some(at(45))));
        let theirs = as_client(&headers(&[("Session-Expires", "90;refresher=uas")]), at(0)).unwrap();
        assert_eq!((theirs.ours, theirs.deadline()), (false, at(60)));
        assert!(offered(0).is_empty());
        assert_eq!(offered(30)[0].1, "90");
    }

    #[test]
    fn a_refused_refresh_is_repeated_while_there_is_time() {
        let mut timer = SessionTimer::new(90, true, at(0));
        timer.refreshing();
        assert_eq!(timer.deadline(), at(60));
        timer.postpone(at(30));
        assert_eq!(timer.deadline(), at(45));
        timer.postpone(at(45));
        assert_eq!(timer.deadline(), at(60));
    }
}
