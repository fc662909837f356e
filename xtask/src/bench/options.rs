//! What `cargo xtask bench media` can be asked.

use anyhow::{Result, bail};
use std::str::FromStr;

/// What is asked of the bench.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Fewer and shorter runs.
    pub quick: bool,
    /// How often what calls cost is measured, where there is an aim; 0: as usual.
    pub rounds: u32,
    /// PESQ too.
    pub quality: bool,
    /// Nothing but PESQ and the tone.
    pub only_quality: bool,
    /// How long a tone is listened to, in seconds; 0: not at all.
    pub tone_seconds: u64,
}

/// How often what calls cost is measured unless asked otherwise: neighbours on a shared machine make
/// it dearer for minutes, and never cheaper.
const ROUNDS: u32 = 3;

impl Options {
    /// How often what calls cost is measured, where there is an aim.
    pub fn rounds(&self) -> u32 {
        match self.rounds {
            0 if self.quick => 1,
            0 => ROUNDS,
            rounds => rounds,
        }
    }

    /// From the command line.
    ///
    /// # Errors
    /// If there is an option nobody knows.
    pub fn read(mut words: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        while let [word, rest @ ..] = words {
            words = rest;
            match *word {
                "--quick" => options.quick = true,
                "--quality" => options.quality = true,
                "--only-quality" => options.only_quality = true,
                "--rounds" => (options.rounds, words) = value("--rounds", words)?,
                "--tone" => (options.tone_seconds, words) = value("--tone", words)?,
                other => bail!(
                    "unknown option {other}; there are --quick, --rounds COUNT, --quality, --only-quality, --tone SECONDS"
                ),
            }
        }
        Ok(options)
    }
}

/// The number after `option`, and what comes after it.
fn value<'a, 'b, N: FromStr>(option: &str, words: &'a [&'b str]) -> Result<(N, &'a [&'b str])> {
    let [number, rest @ ..] = words else { bail!("{option} takes a number") };
    let Ok(number) = number.parse() else { bail!("{option} takes a number, not {number}") };
    Ok((number, rest))
}
