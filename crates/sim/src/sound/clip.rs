//! Mono PCM with its rate, read from and written to files.

use std::{fs, io, path::Path};
use trunkline_audio::{g722, resample::Resampler, tone::Sine};

/// What is quieter at either end of a clip is cut off.
const QUIET: u16 = 300;
/// Bytes of the header we write.
const HEADER: usize = 44;

/// Why a clip cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum ClipError {
    #[error("{0}")]
    File(#[from] io::Error),
    #[error("{0} is neither WAV of 16 bits at 8, 16 or 48 kHz nor G.722")]
    Kind(String),
}

/// Mono PCM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clip {
    /// Samples per second.
    pub rate: u32,
    /// The samples.
    pub pcm: Vec<i16>,
}

impl Clip {
    /// A sine of 1 kHz that lasts so many seconds, at 48 kHz. Encoded and repeated it has a seam.
    pub fn tone(seconds: u32) -> Self {
        let mut pcm = vec![0; seconds as usize * 48_000];
        Sine::new(1_000.0, 8_000, 48_000).fill(&mut pcm);
        Self { rate: 48_000, pcm }
    }

    /// Reads a file: `.g722` is raw G.722 at 64 kbit/s, anything else WAV, of which the first
    /// channel is taken.
    ///
    /// # Errors
    /// It cannot be read or is of another kind.
    pub fn read(path: &Path) -> Result<Self, ClipError> {
        let bytes = fs::read(path)?;
        if path.extension().is_some_and(|e| e == "g722") {
            let mut pcm = vec![0; bytes.len() * 2];
            g722::Decoder::new().decode(&bytes, &mut pcm);
            return Ok(Self { rate: 16_000, pcm });
        }
        wav(&bytes).ok_or_else(|| ClipError::Kind(path.display().to_string()))
    }

    /// Several files, one after the other without the silence at their ends, at the first one's rate.
    ///
    /// # Errors
    /// One cannot be read or is of another kind.
    pub fn joined<P: AsRef<Path>>(paths: &[P]) -> Result<Self, ClipError> {
        let mut whole = Self::default();
        for path in paths {
            let clip = Self::read(path.as_ref())?.trimmed();
            if whole.rate == 0 {
                whole.rate = clip.rate;
            }
            whole.pcm.extend(clip.at(whole.rate).pcm);
        }
        Ok(whole)
    }

    fn trimmed(mut self) -> Self {
        let loud = |sample: &i16| sample.unsigned_abs() > QUIET;
        let end = self.pcm.iter().rposition(loud).map_or(0, |at| at + 1);
        self.pcm.truncate(end);
        let begin = self.pcm.iter().position(loud).unwrap_or(0);
        self.pcm.drain(..begin);
        self
    }

    /// The same at another of 8,000, 16,000 and 48,000 Hz; unchanged for any other rate.
    pub fn at(&self, rate: u32) -> Self {
        let Some(mut resampler) = Resampler::new(self.rate, rate).filter(|_| rate != self.rate) else {
            return self.clone();
        };
        let mut pcm = vec![0; self.pcm.len() * rate as usize / self.rate.max(1) as usize + 1];
        let made = resampler.process(&self.pcm, &mut pcm);
        pcm.truncate(made);
        Self { rate, pcm }
    }

    /// Writes a WAV file of 16 bits.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let length = u32::try_from(self.pcm.len() * 2).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(HEADER + self.pcm.len() * 2);
        bytes.extend(b"RIFF");
        bytes.extend((length + 36).to_le_bytes());
        bytes.extend(b"WAVEfmt ");
        bytes.extend(16_u32.to_le_bytes());
        bytes.extend([1, 0, 1, 0]);
        bytes.extend(self.rate.to_le_bytes());
        bytes.extend((self.rate * 2).to_le_bytes());
        bytes.extend([2, 0, 16, 0]);
        bytes.extend(b"data");
        bytes.extend(length.to_le_bytes());
        bytes.extend(self.pcm.iter().flat_map(|sample| sample.to_le_bytes()));
        fs::write(path, bytes)
    }
}

/// Reads the chunks of a WAV file.
fn wav(bytes: &[u8]) -> Option<Clip> {
    let mut chunks = bytes.strip_prefix(b"RIFF")?.get(4..)?.strip_prefix(b"WAVE")?;
    let (mut rate, mut channels) = (0, 1);
    loop {
        let name = chunks.get(..4)?;
        let length = usize::try_from(u32::from_le_bytes(chunks.get(4..8)?.try_into().ok()?)).ok()?;
        let body = chunks.get(8..)?;
        let body = body.get(..length).unwrap_or(body);
        if name == b"fmt " {
            channels = usize::from(*body.get(2)?);
            rate = u32::from_le_bytes(body.get(4..8)?.try_into().ok()?);
            if body.get(..2)? != [1, 0] || body.get(14..16)? != [16, 0] || !matches!(rate, 8_000 | 16_000 | 48_000) {
                return None;
            }
        } else if name == b"data" && rate > 0 {
            let frames = body.chunks_exact(2 * channels.max(1));
            let pcm = frames.map(|f| i16::from_le_bytes([f[0], f[1]])).collect();
            return Some(Clip { rate, pcm });
        }
        chunks = chunks.get(8 + length.next_multiple_of(2)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_survives_its_file_and_loses_its_silent_ends_when_joined() {
        let folder = std::env::temp_dir().join(format!("trunkline-clip-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("a.wav");
        let clip = Clip { rate: 8_000, pcm: [vec![0; 100], vec![5_000, -5_000, 4_000], vec![0; 50]].concat() };
        clip.write(&path).unwrap();
        assert_eq!(Clip::read(&path).unwrap(), clip);
        let joined = Clip::joined(&[&path, &path]).unwrap();
        assert_eq!(joined.pcm, [5_000, -5_000, 4_000, 5_000, -5_000, 4_000]);
        fs::write(&path, b"RIFF1234WAVEfmt ").unwrap();
        assert!(matches!(Clip::read(&path), Err(ClipError::Kind(_))));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn another_rate_keeps_the_duration() {
        let clip = Clip::tone(10);
        assert_eq!(clip.at(8_000).pcm.len(), 80_000);
        assert_eq!(clip.at(44_100), clip);
    }
}
