//! The signalling of one call: INVITE, 200, ACK, and a BYE from either side.

use super::{
    codec::Codec,
    message::{Dialog, header, media_address, offer, ok},
    report::Outcome,
    stream::Stream,
};
use std::time::{Duration, Instant};

/// T1 of RFC 3261.
const T1: Duration = Duration::from_millis(500);
/// A transaction that is not through by then has failed: 64 times T1.
const PATIENCE: Duration = Duration::from_secs(32);
/// Between two RTP packets.
pub(crate) const PACKET: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Inviting,
    Ringing,
    Open,
    Closing,
    Over,
}

/// What a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    Repeat,
    GiveUp,
    HangUp,
    Packet,
}

/// What a call wants done: texts to be sent and timers to be set.
#[derive(Default)]
pub(crate) struct Wishes {
    pub(crate) texts: Vec<String>,
    pub(crate) timers: Vec<(Instant, Timer)>,
}

/// See the module.
pub(crate) struct Call {
    pub(crate) dialog: Dialog,
    pub(crate) stage: Stage,
    pub(crate) begun: Instant,
    pub(crate) outcome: Outcome,
    pub(crate) stream: Option<Stream>,
    offer: String,
    tries: u32,
    hold: Option<Duration>,
    next_packet: Instant,
}

impl Call {
    /// Begins: the INVITE is among the wishes.
    pub(crate) fn begin(
        dialog: Dialog,
        stream: Stream,
        codec: Codec,
        rtcp_port: u16,
        hold: Option<Duration>,
        now: Instant,
        wishes: &mut Wishes,
    ) -> std::io::Result<Self> {
        let offer = offer(stream.socket.local_addr()?, rtcp_port, codec);
        let outcome = Outcome { index: dialog.index, ..Outcome::default() };
        let call = Self {
            dialog,
            stage: Stage::Inviting,
            begun: now,
            outcome,
            stream: Some(stream),
            offer,
            tries: 0,
            hold,
            next_packet: now,
        };
        wishes.texts.push(call.dialog.request("INVITE", 1, &call.offer));
        wishes.timers.push((now + T1, Timer::Repeat));
        Ok(call)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    pub(crate) fn timed_out(&mut self, timer: Timer, now: Instant, wishes: &mut Wishes) {
        match (timer, self.stage) {
            (Timer::Packet, Stage::Open) => {
                if let Some(stream) = &mut self.stream {
                    stream.say(now, &mut self.outcome);
                }
                let late = now.saturating_duration_since(self.next_packet);
                self.outcome.sent_late += u64::from(late >= crate::LATE);
                self.outcome.latest = self.outcome.latest.max(late);
                self.next_packet += PACKET;
                // Who could not keep up begins anew instead of sending a burst.
                if self.next_packet + PACKET * 10 < now {
                    self.next_packet = now + PACKET;
                }
                wishes.timers.push((self.next_packet, Timer::Packet));
            }
            (Timer::HangUp, Stage::Open) => self.hang_up(now, wishes),
            (Timer::GiveUp, Stage::Closing) => self.end(false),
            (Timer::Repeat, Stage::Inviting | Stage::Closing) => {
                if now > self.begun + PATIENCE && self.stage == Stage::Inviting {
                    return self.end(false);
                }
                self.tries += 1;
                let again = match self.stage {
                    Stage::Inviting => self.dialog.request("INVITE", 1, &self.offer),
                    _ => self.dialog.request("BYE", 2, ""),
                };
                wishes.texts.push(again);
                wishes.timers.push((now + T1 * 2_u32.pow(self.tries.min(3)), Timer::Repeat));
            }
            _ => {}
        }
    }

    /// Hangs up, or gives up what has not been answered.
    pub(crate) fn hang_up(&mut self, now: Instant, wishes: &mut Wishes) {
        match self.stage {
            Stage::Open => {
                self.stage = Stage::Closing;
                self.tries = 0;
                wishes.texts.push(self.dialog.request("BYE", 2, ""));
                wishes.timers.push((now + T1, Timer::Repeat));
                wishes.timers.push((now + PATIENCE, Timer::GiveUp));
            }
            Stage::Inviting | Stage::Ringing => {
                wishes.texts.push(self.dialog.request("CANCEL", 1, ""));
                self.end(false);
            }
            Stage::Closing | Stage::Over => {}
        }
    }

    pub(crate) fn received(&mut self, text: &str, now: Instant, wishes: &mut Wishes) {
        let Some(status) = text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse::<u16>().ok()) else {
            if text.starts_with("BYE ") {
                wishes.texts.push(ok(text));
                if matches!(self.stage, Stage::Open | Stage::Closing) {
                    self.outcome.hung_up_on = self.stage == Stage::Open;
                    self.end(true);
                }
            }
            return;
        };
        let since = now - self.begun;
        let is_bye = header(text, "CSeq").is_some_and(|c| c.ends_with("BYE"));
        match (self.stage, status) {
            (Stage::Closing, 200..) if is_bye => self.end(status == 200),
            (Stage::Inviting, 101..=199) => {
                self.stage = Stage::Ringing;
                self.outcome.to_180 = Some(since);
            }
            (Stage::Inviting | Stage::Ringing, 200) => self.answered(text, now, wishes),
            (Stage::Open | Stage::Closing, 200) if !is_bye => wishes.texts.push(self.dialog.request("ACK", 1, "")),
            (Stage::Inviting | Stage::Ringing, 300..) => {
                self.outcome.status = status;
                self.tag(text);
                // The ACK of a refusal belongs to the INVITE's transaction (RFC 3261 §17.1.1.3).
                let ack = self.dialog.request("ACK", 1, "");
                wishes.texts.push(ack.replacen("branch=z9hG4bKACK", "branch=z9hG4bKINVITE", 1));
                self.end(false);
            }
            _ => {}
        }
    }

    fn answered(&mut self, text: &str, now: Instant, wishes: &mut Wishes) {
        self.stage = Stage::Open;
        self.outcome.status = 200;
        self.outcome.to_200 = Some(now - self.begun);
        self.tag(text);
        wishes.texts.push(self.dialog.request("ACK", 1, ""));
        if let (Some(remote), Some(stream)) = (media_address(text), &mut self.stream) {
            stream.connect(remote);
        }
        self.next_packet = now;
        wishes.timers.push((now, Timer::Packet));
        if let Some(hold) = self.hold {
            wishes.timers.push((now + hold, Timer::HangUp));
        }
    }

    fn tag(&mut self, text: &str) {
        let to = header(text, "To").and_then(|to| to.split(";tag=").nth(1));
        self.dialog.to_tag = to.unwrap_or_default().to_owned();
    }

    fn end(&mut self, well: bool) {
        self.stage = Stage::Over;
        self.outcome.well = well;
    }
}
