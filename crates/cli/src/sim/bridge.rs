//! `trunkline sim bridge`.

use super::{
    callers::{Calling, described, in_milliseconds, judged, milliseconds, print},
    room::{Codec, token, web_socket},
};
use crate::client::Server;
use crate::say::say;
use anyhow::bail;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::{path::PathBuf, sync::Arc};
use trunkline_sim::{
    bridge::{self, Measure, Order},
    callers::{Numbers, Plan, Script},
    participant::{Join, Speech, Voice},
    sound::marks,
};

/// For which loss participants repeat themselves when packets of theirs are dropped, in percent.
const FEC_FOR_LOSS: u8 = 10;

/// How much longer than its call a participant speaks, at most.
const WORD_SECONDS: u32 = 5;

#[derive(Args)]
pub(crate) struct Bridge {
    #[command(flatten)]
    api: Server,
    #[command(flatten)]
    calling: Calling,
    /// What stands before the number in the rooms' names
    #[arg(long, default_value = "bridge_")]
    room_prefix: String,
    /// What the participants speak: what their rooms do
    #[arg(long, value_enum, default_value = "opus")]
    room_codec: Codec,
    /// Participants say back what they hear
    #[arg(long)]
    echo: bool,
    /// Who comes first
    #[arg(long, value_enum, default_value = "publisher")]
    first: First,
    /// A pair whose call is over begins anew in another room
    #[arg(long)]
    again: bool,
    /// What is measured besides
    #[arg(long, value_enum, default_value = "nothing")]
    measure: What,
    /// Of a hundred packets of the participants so many are lost
    #[arg(long, default_value_t = 0)]
    loss_percent: u8,
    /// The folder for what the first pair heard, with `--measure sound`
    #[arg(long, default_value = ".")]
    record: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum First {
    /// The call begins when the participant speaks
    Publisher,
    /// The participant joins a moment after the INVITE
    Caller,
    /// Both begin at the same moment
    Nobody,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    Nothing,
    RoundTrip,
    OneWay,
    Sound,
}

impl Bridge {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let measure = match self.measure {
            What::Nothing => Measure::Nothing,
            What::RoundTrip => Measure::RoundTrip,
            What::OneWay => Measure::OneWay,
            What::Sound => Measure::Sound,
        };
        let mut plan = self.calling.plan(Numbers::Each(self.calling.to.clone()))?;
        let mut clip = self.calling.sound.clip()?;
        if measure == Measure::Sound {
            clip = self.calling.sound.clip_of(u32::try_from(self.calling.seconds)? + WORD_SECONDS)?;
            plan.script = Script::new(plan.codec, &clip);
        }
        if matches!(measure, Measure::RoundTrip | Measure::OneWay) {
            clip = marks(48_000);
            plan = Plan { scatter: false, script: Script::new(plan.codec, &clip), ..plan };
        }
        let echo = self.echo || measure == Measure::RoundTrip;
        // Marks are heard where they are, and words of a measured clip are not cut off. Who never
        // pauses does not pause because the encoder takes a steady tone for noise.
        let voice = Voice {
            codec: self.room_codec.into(),
            dtx: measure == Measure::Nothing && self.calling.sound.has_pauses(),
            fec_for_loss: if self.loss_percent > 0 { FEC_FOR_LOSS } else { 0 },
        };
        let speech = Speech::new(&clip, voice).map_err(anyhow::Error::msg)?;
        let api = self.api.clone();
        // Who measures from outside begins here: encoding takes its time.
        say!("ready");
        let report = bridge::run(bridge::Bridge {
            callers: plan,
            join: Join {
                url: web_socket(&self.api.url),
                speech: (!echo).then_some(speech),
                codec: self.room_codec.into(),
                echo,
                loss_percent: self.loss_percent,
                ..Join::default()
            },
            // A token that cannot be made is one that the server refuses.
            tokens: Arc::new(move |room, identity| token(&api, room, identity).unwrap_or_default()),
            room_prefix: self.room_prefix,
            order: match self.first {
                First::Publisher => Order::PublisherFirst,
                First::Caller => Order::CallerFirst,
                First::Nobody => Order::Together,
            },
            again: self.again,
            measure,
        })?;
        if let (Some(phone), Some(room)) = (&report.callers.heard, &report.heard) {
            phone.write(&self.record.join("phone.wav"))?;
            room.write(&self.record.join("room.wav"))?;
        }
        let [sent, received, lost, late] = report.packets;
        let value = json!({
            "callers": described(&report.callers),
            "participants": {
                "joined": report.joined,
                "failures": report.failures.iter().take(10).collect::<Vec<_>>(),
                "joining_ms": milliseconds(&report.joining),
                "sent": sent, "sent_late": late, "latest_ms": in_milliseconds(report.latest),
                "received": received, "lost": lost,
            },
            "up_ms": milliseconds(&report.up),
            "down_ms": milliseconds(&report.down),
        });
        print(&value, self.calling.json);
        if let Some(first) = report.failures.first() {
            bail!("{} participants failed, the first: {first}", report.failures.len());
        }
        judged(&report.callers)
    }
}
