//! What a persona does, as data: cues, and what is on them.

use crate::{callers::Codec, sound::Clip};
use std::{collections::BTreeMap, time::Duration};
use trunkline_audio::{g711, prompt, tone::Sine};

/// Something that a persona does in a call.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// A provisional answer, with a description if audio shall flow already.
    Provisional {
        status: String,
        early: bool,
    },
    /// A refusal, with further header lines.
    Refuse {
        status: String,
        headers: String,
    },
    Answer,
    Bye,
    Cancel,
    /// An offer in the call: another direction, other codecs, or the same as a refresh.
    Reinvite {
        direction: Option<String>,
        codecs: Option<Vec<Codec>>,
    },
    Update,
    /// Keys as telephone events.
    Press(String),
    /// A key as INFO (`application/dtmf-relay`).
    Info(char),
    /// Asks the other side to call somebody else.
    Refer(String),
    /// Tells what became of a REFER.
    Notify {
        fragment: String,
        last: bool,
    },
}

/// When, from what it follows, and what.
pub(crate) type Cue = (Duration, Act);

/// What becomes of a REFER that comes.
#[derive(Clone, Debug)]
pub(crate) enum OnRefer {
    Refuse(String),
    /// 202, and then these.
    Accept(Vec<Cue>),
}

/// Who may in, by digest.
#[derive(Clone, Debug)]
pub(crate) struct Challenge {
    /// 401 or 407.
    pub(crate) status: u16,
    /// One challenge each, in this order.
    pub(crate) algorithms: Vec<String>,
    pub(crate) qop: Option<String>,
    pub(crate) realm: String,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) methods: Vec<String>,
    /// The first right answer is too late.
    pub(crate) stale: bool,
    /// The 200 names the nonce for the next request, and that is the only one good for it.
    pub(crate) next_nonce: bool,
}

/// A session timer (RFC 4028).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timer {
    pub(crate) expires: u64,
    pub(crate) is_ours: bool,
    pub(crate) by_update: bool,
    pub(crate) after: Duration,
}

impl Timer {
    /// How the session is refreshed.
    pub(crate) fn refresh(self) -> Act {
        if self.by_update { Act::Update } else { Act::Reinvite { direction: None, codecs: None } }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// From the INVITE on.
    pub(crate) answer: Vec<Cue>,
    /// From the moment on in which both sides have the call.
    pub(crate) up: Vec<Cue>,
    /// From the INVITE that it sends.
    pub(crate) dialled: Vec<Cue>,
    pub(crate) on_refer: OnRefer,
    /// Header lines of its INVITE and of its provisional answers and 200.
    pub(crate) headers: String,
    /// Record-Route headers that it adds as if proxies were before it.
    pub(crate) record_routes: usize,
    /// Branches that answer one INVITE.
    pub(crate) forks: usize,
    pub(crate) challenge: Option<Challenge>,
    /// For who challenges it.
    pub(crate) credentials: Option<(String, String)>,
    /// Its INVITE has an offer.
    pub(crate) offers: bool,
    pub(crate) timer: Option<Timer>,
    pub(crate) codecs: Vec<Codec>,
    pub(crate) says: Clip,
    pub(crate) encrypts: bool,
    /// Its offers are encrypted.
    pub(crate) offers_encryption: bool,
    /// Provisional answers want a PRACK where the other side knows that.
    pub(crate) reliable: bool,
}

impl Script {
    /// Rings, answers, says a tone, takes a REFER, and does what settings that all personas know ask
    /// for.
    pub(crate) fn answering(settings: &Settings) -> Self {
        let answer_after = settings.seconds("answer_after", 0.2);
        let mut answer = vec![(answer_after, Act::Answer)];
        if settings.is("ring", true) {
            answer.insert(0, (Duration::ZERO, provisional("180 Ringing", false)));
        }
        let mut up = Vec::new();
        let mut after = |key: &str, default: f64, act: Act| up.push((settings.seconds(key, default), act));
        if let Some(digits) = settings.get("press") {
            after("press_after", 0.5, Act::Press(digits.into()));
        }
        for (n, key) in settings.get("info").unwrap_or_default().chars().enumerate() {
            after("press_after", 0.5 + n as f64 * 0.3, Act::Info(key));
        }
        if let Some(target) = settings.get("refer") {
            after("refer_after", 0.5, Act::Refer(target.into()));
        }
        if settings.get("hangup_after").is_some() {
            after("hangup_after", 1.0, Act::Bye);
        }
        let mut dialled = Vec::new();
        if settings.get("cancel_after").is_some() {
            dialled.push((settings.seconds("cancel_after", 1.0), Act::Cancel));
        }
        Self {
            answer,
            up,
            dialled,
            on_refer: OnRefer::Accept(notifies(settings)),
            headers: String::new(),
            record_routes: 0,
            forks: 1,
            challenge: None,
            credentials: settings.get("user").map(|user| (user.into(), settings.text("password", ""))),
            offers: settings.is("offer", true),
            timer: None,
            codecs: settings
                .codecs("codecs")
                .unwrap_or_else(|| vec![Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus]),
            says: tone(settings.number("tone", 440) as f64),
            encrypts: settings.is("srtp", true),
            offers_encryption: settings.get("srtp") == Some("yes"),
            reliable: settings.is("reliable", false),
        }
    }

    /// Refuses after a while; 180 before that if asked for.
    pub(crate) fn refusing(settings: &Settings, status: &str, headers: &str) -> Self {
        let mut script = Self::answering(settings);
        let after = settings.seconds("answer_after", 0.0);
        let status = settings.get("status").map_or_else(|| status.to_owned(), with_phrase);
        script.answer = vec![(after, Act::Refuse { status, headers: headers.into() })];
        if settings.is("ring", false) {
            script.answer.insert(0, (Duration::ZERO, provisional("180 Ringing", false)));
        }
        script
    }
}

/// A status with the phrase of RFC 3261, unless it has one.
pub(crate) fn with_phrase(status: &str) -> String {
    let phrase = match status {
        "302" => "Moved Temporarily",
        "401" => "Unauthorized",
        "403" => "Forbidden",
        "404" => "Not Found",
        "408" => "Request Timeout",
        "480" => "Temporarily Unavailable",
        "486" => "Busy Here",
        "488" => "Not Acceptable Here",
        "500" => "Server Internal Error",
        "503" => "Service Unavailable",
        "600" => "Busy Everywhere",
        "603" => "Decline",
        _ if status.contains(' ') => return status.into(),
        _ => "Refused",
    };
    format!("{status} {phrase}")
}

pub(crate) fn provisional(status: &str, early: bool) -> Act {
    Act::Provisional { status: status.into(), early }
}

/// A tone of ten seconds, which is a whole number of waves; none at 0 Hz.
pub(crate) fn tone(hz: f64) -> Clip {
    let mut pcm = vec![0; 80_000];
    if hz > 0.0 {
        Sine::new(hz, 8_000, 8_000).fill(&mut pcm);
    }
    Clip { rate: 8_000, pcm }
}

/// Somebody speaks, and then there is a tone.
pub(crate) fn speech() -> Clip {
    let mut pcm: Vec<i16> = prompt::WRONG_PIN.iter().map(|byte| g711::decode_ulaw(*byte)).collect();
    pcm.extend(&tone(1_000.0).pcm[..24_000]);
    Clip { rate: 8_000, pcm }
}

/// What is told of a transfer: tried, perhaps ringing, and how it ended.
fn notifies(settings: &Settings) -> Vec<Cue> {
    let outcome = settings.text("notify", "200");
    let notify = |after: Duration, line: String, last: bool| {
        (after, Act::Notify { fragment: format!("SIP/2.0 {line}\r\n"), last })
    };
    if outcome == "none" {
        return Vec::new();
    }
    let mut cues = vec![notify(Duration::ZERO, "100 Trying".into(), false)];
    if outcome == "slow" {
        return cues;
    }
    if settings.is("progress", false) {
        cues.push(notify(settings.seconds("notify_after", 0.2) / 2, "180 Ringing".into(), false));
    }
    let line = if outcome == "200" { "200 OK".into() } else { with_phrase(&outcome) };
    cues.push(notify(settings.seconds("notify_after", 0.2), line, true));
    cues
}

/// What the command line sets of a persona.
#[derive(Clone, Debug, Default)]
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    /// Of pairs.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    pub(crate) fn text(&self, key: &str, default: &str) -> String {
        self.get(key).unwrap_or(default).to_owned()
    }

    pub(crate) fn number(&self, key: &str, default: u64) -> u64 {
        self.get(key).and_then(|value| value.parse().ok()).unwrap_or(default)
    }

    pub(crate) fn seconds(&self, key: &str, default: f64) -> Duration {
        let seconds = self.get(key).and_then(|value| value.parse().ok()).unwrap_or(default);
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }

    pub(crate) fn is(&self, key: &str, default: bool) -> bool {
        self.get(key).map_or(default, |value| matches!(value, "yes" | "true" | "1" | "on"))
    }

    /// A list of codecs, if it is set.
    pub(crate) fn codecs(&self, key: &str) -> Option<Vec<Codec>> {
        let codec = |name: &str| match name.trim().to_ascii_lowercase().as_str() {
            "pcmu" => Some(Codec::Pcmu),
            "pcma" => Some(Codec::Pcma),
            "g722" => Some(Codec::G722),
            "opus" => Some(Codec::Opus),
            _ => None,
        };
        self.get(key).map(|list| list.split(',').filter_map(codec).collect())
    }
}
