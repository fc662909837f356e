//! What far ends say, from the command line.

use clap::Args;
use std::path::PathBuf;
use trunkline_sim::{
    callers,
    sound::{Clip, Talk, script},
};

/// How long a tone is that is repeated.
const TONE_SECONDS: u32 = 10;

#[derive(Args)]
pub(crate) struct Sound {
    /// What is said: `tone`, or WAV and G.722 files, separated by commas
    #[arg(long, default_value = "tone", value_delimiter = ',')]
    speech: Vec<String>,
    /// How much of the time somebody speaks
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u8).range(1..=100))]
    talk_percent: u8,
}

impl Sound {
    /// Whether there are pauses in it.
    pub(crate) fn has_pauses(&self) -> bool {
        self.talk_percent < 100
    }

    /// The sound with its pauses, to be repeated.
    pub(crate) fn clip(&self) -> anyhow::Result<Clip> {
        self.clip_of(TONE_SECONDS)
    }

    /// The sound with its pauses; a tone without a seam for so many seconds.
    pub(crate) fn clip_of(&self, tone_seconds: u32) -> anyhow::Result<Clip> {
        let clip = match self.speech.as_slice() {
            [only] if only == "tone" => Clip::tone(tone_seconds),
            files => Clip::joined(&files.iter().map(PathBuf::from).collect::<Vec<_>>())?,
        };
        Ok(script(&clip, Talk { percent: self.talk_percent }))
    }
}

#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Codec {
    Pcmu,
    Pcma,
    G722,
    Opus,
}

impl From<Codec> for callers::Codec {
    fn from(codec: Codec) -> Self {
        match codec {
            Codec::Pcmu => Self::Pcmu,
            Codec::Pcma => Self::Pcma,
            Codec::G722 => Self::G722,
            Codec::Opus => Self::Opus,
        }
    }
}
