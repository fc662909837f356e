//! What `cargo xtask bench media` can be asked.

use anyhow::{Result, bail};

/// What is asked of the bench.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Fewer and shorter runs.
    pub quick: bool,
    /// PESQ too.
    pub quality: bool,
    /// Nothing but PESQ and the tone.
    pub only_quality: bool,
    /// How long a tone is listened to, in seconds; 0: not at all.
    pub tone_seconds: u64,
}

impl Options {
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
                "--tone" => {
                    let [seconds, rest @ ..] = words else { bail!("--tone takes seconds") };
                    options.tone_seconds = seconds.parse()?;
                    words = rest;
                }
                other => bail!("unknown option {other}; there are --quick, --quality, --only-quality, --tone SECONDS"),
            }
        }
        Ok(options)
    }
}
