//! What an end wishes to receive as Opus (RFC 7587 §6.1).

/// The parameters of `a=fmtp` that matter to an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpusParameters {
    /// `useinbandfec`: redundancy for lost packets is of use to it.
    pub fec: bool,
    /// `usedtx`: it would like pauses not to be sent.
    pub dtx: bool,
    /// `maxplaybackrate`, Hz: 8,000 to 48,000.
    pub max_playback_rate: u32,
    /// `maxaveragebitrate`, bit/s: 6,000 to 510,000.
    pub max_average_bitrate: Option<u32>,
}

impl Default for OpusParameters {
    fn default() -> Self {
        Self { fec: false, dtx: false, max_playback_rate: 48_000, max_average_bitrate: None }
    }
}

impl OpusParameters {
    /// Reads the value of `a=fmtp`; what cannot be read keeps its default.
    pub fn parse(fmtp: &str) -> Self {
        let mut parameters = Self::default();
        for (name, value) in fmtp.split(';').filter_map(|pair| pair.split_once('=')) {
            let value = value.trim().parse::<u32>().ok();
            match (name.trim().to_ascii_lowercase().as_str(), value) {
                ("useinbandfec", Some(value)) => parameters.fec = value == 1,
                ("usedtx", Some(value)) => parameters.dtx = value == 1,
                ("maxplaybackrate", Some(value)) => parameters.max_playback_rate = value.clamp(8_000, 48_000),
                ("maxaveragebitrate", Some(value)) => {
                    parameters.max_average_bitrate = Some(value.clamp(6_000, 510_000));
                }
                _ => {}
            }
        }
        parameters
    }
}

#[cfg(test)]
mod tests {
    use super::OpusParameters;

    #[test]
    fn what_is_said_is_read_and_nonsense_is_not() {
        let read = OpusParameters::parse("maxplaybackrate=16000; UseInbandFEC=1;usedtx=1;maxaveragebitrate=9");
        assert_eq!((read.fec, read.dtx, read.max_playback_rate), (true, true, 16_000));
        assert_eq!(read.max_average_bitrate, Some(6_000));
        assert_eq!(OpusParameters::parse("useinbandfec;;=;maxplaybackrate=-1;x=y"), OpusParameters::default());
    }
}
