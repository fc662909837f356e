//! `trunkline sim room`.

use super::{callers::print, sound::Sound};
use crate::{client::Server, sign::sign};
use anyhow::bail;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::{sync::atomic::Ordering, time::Duration};
use trunkline_sim::participant::{Ear, Join, Participant, Rush, Speech, Stats, Tape, Voice, join};
use trunkline_types::VoiceCodec;

/// Seconds a token of ours is good for.
const TOKEN: u64 = 6 * 3_600;

/// Between two looks at what has been sent.
const LOOK: Duration = Duration::from_millis(50);

#[derive(Args)]
pub(crate) struct Room {
    #[command(flatten)]
    server: Server,
    /// The room
    #[arg(long, default_value = "sim")]
    room: String,
    /// Who joins; with several, a number follows
    #[arg(long, default_value = "headless")]
    identity: String,
    /// So many join
    #[arg(long, default_value_t = 1)]
    count: u32,
    /// Each joins a room of its own: the room's name and five digits
    #[arg(long)]
    own_rooms: bool,
    #[command(flatten)]
    sound: Sound,
    /// Sends what seems to be silence, too; a long tone does
    #[arg(long)]
    no_dtx: bool,
    /// What it speaks: what its room does
    #[arg(long, value_enum, default_value = "opus")]
    codec: Codec,
    /// Sends and receives audio over TCP
    #[arg(long)]
    tcp: bool,
    /// Says nothing
    #[arg(long)]
    mute: bool,
    /// Sends back every packet as it is
    #[arg(long)]
    echo: bool,
    /// Sends so many packets first at `--packets-per-second`, as if it had spoken for long
    #[arg(long, default_value_t = 0)]
    rush: u64,
    /// How fast they are sent; 50 is the pace of speech
    #[arg(long, default_value_t = 3_000)]
    packets_per_second: u32,
    /// Leaves after so many seconds, counted from the end of the rush, or at Ctrl-C
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Write what the first one heard to this WAV file
    #[arg(long)]
    record: Option<std::path::PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What rooms can speak.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Codec {
    Opus,
    Pcmu,
    Pcma,
}

impl From<Codec> for VoiceCodec {
    fn from(codec: Codec) -> Self {
        match codec {
            Codec::Opus => Self::Opus,
            Codec::Pcmu => Self::Pcmu,
            Codec::Pcma => Self::Pcma,
        }
    }
}

/// A token to join a room.
pub(crate) fn token(server: &Server, room: &str, identity: &str) -> anyhow::Result<String> {
    let grants = json!({ "video": { "roomJoin": true, "room": room } });
    sign(&server.api_key, &server.api_secret, identity, grants, TOKEN)
}

/// The URL of the server's WebSockets.
pub(crate) fn web_socket(url: &str) -> String {
    url.replacen("http", "ws", 1)
}

/// Waits until it has sent so many packets, or is gone.
async fn rushed(member: &Participant, packets: u64) {
    let over = |stats: &Stats| stats.sent.load(Ordering::Relaxed) >= packets || stats.failed.get().is_some();
    while !over(&member.stats) {
        tokio::time::sleep(LOOK).await;
    }
}

impl Room {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(self.live())
    }

    async fn live(self) -> anyhow::Result<()> {
        let codec: VoiceCodec = self.codec.into();
        let voice = Voice { codec, dtx: !self.no_dtx, ..Voice::default() };
        let speech = match self.mute || self.echo {
            true => None,
            false => Some(Speech::new(&self.sound.clip()?, voice).map_err(anyhow::Error::msg)?),
        };
        let tape = Tape::new();
        let mut members = Vec::new();
        for n in 0..self.count {
            let number = |name: &str| if self.count > 1 { format!("{name}{n:05}") } else { name.to_owned() };
            let room = if self.own_rooms { number(&self.room) } else { self.room.clone() };
            let join_as = Join {
                url: web_socket(&self.server.url),
                token: token(&self.server, &room, &number(&self.identity))?,
                speech: speech.clone(),
                offset: u64::from(n) * 97,
                rush: Rush { packets: self.rush, per_second: self.packets_per_second },
                echo: self.echo,
                codec,
                tcp: self.tcp,
                ear: if n == 0 && self.record.is_some() { Ear::Records(tape.clone()) } else { Ear::Counts },
                ..Join::default()
            };
            members.push(join(join_as).await?);
        }
        let mut connected = 0;
        for member in &mut members {
            connected +=
                u32::from(matches!(tokio::time::timeout(Duration::from_secs(15), member.ready()).await, Ok(Ok(()))));
        }
        if self.rush > 0 && speech.is_some() {
            for member in &members {
                rushed(member, self.rush).await;
            }
            print(&json!({ "rushed": self.rush }), self.json);
        }
        // Whoever has seen enough gets the figures all the same.
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(self.seconds)) => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        let (mut packets, mut ended) = ([0; 3], 0);
        for member in members {
            let stats = member.stats.clone();
            ended += u32::from(stats.failed.get().is_some());
            member.leave().await;
            let counters = [&stats.sent, &stats.received, &stats.lost].map(|c| c.load(Ordering::Relaxed));
            packets.iter_mut().zip(counters).for_each(|(sum, count)| *sum += count);
        }
        if let Some(path) = &self.record {
            tape.take().write(path)?;
        }
        let [sent, received, lost] = packets;
        let value = json!({
            "participants": self.count, "connected": connected, "ended_early": ended,
            "sent": sent, "received": received, "lost": lost,
        });
        print(&value, self.json);
        if connected < self.count || ended > 0 {
            bail!("{} of {} did not connect, {ended} were put out", self.count - connected, self.count);
        }
        Ok(())
    }
}
