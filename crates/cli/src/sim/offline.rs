//! `trunkline sim offline`.

use super::sound::Sound;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use trunkline_sim::offline::{Direction, chain};

#[derive(Args)]
pub(crate) struct Offline {
    #[command(flatten)]
    sound: Sound,
    /// Which way
    #[arg(long, value_enum)]
    direction: Way,
    /// Where the clip itself is written, at 8 kHz
    #[arg(long)]
    clip: PathBuf,
    /// Where the result is written, at 8 kHz
    #[arg(long)]
    out: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Way {
    ToRoom,
    ToPhone,
}

impl Offline {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let direction = match self.direction {
            Way::ToRoom => Direction::ToRoom,
            Way::ToPhone => Direction::ToPhone,
        };
        let clip = self.sound.clip()?;
        chain(&clip, direction).map_err(anyhow::Error::msg)?.write(&self.out)?;
        clip.at(8_000).write(&self.clip)?;
        Ok(())
    }
}
