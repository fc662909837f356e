//! Reading a description: CRLF or LF, unknown lines passed over, numbers checked.

use crate::{CryptoLine, Direction, Error, Format, Media, Session, crypto, session::Host};
use trunkline_types::limits;

impl Session {
    /// Reads a description.
    ///
    /// # Errors
    /// Over the limits, not UTF-8, or a line that cannot be read.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > limits::SDP_BYTES {
            return Err(Error::TooLong { limit: limits::SDP_BYTES });
        }
        // Only free text may hold other encodings, and nothing here reads it.
        let text = String::from_utf8_lossy(bytes);
        let mut session = Self::default();
        let mut seen_version = false;
        for (index, line) in text.lines().enumerate() {
            let number = index.saturating_add(1);
            let line = line.trim_end();
            if line.is_empty() {
                continue;
            }
            let (kind, value) = line.split_once('=').ok_or(Error::Malformed { line: number, why: "no `=`" })?;
            if !seen_version && (kind, value.trim()) != ("v", "0") {
                return Err(Error::Malformed { line: number, why: "a description begins with v=0" });
            }
            seen_version = true;
            session.line(kind, value, number)?;
        }
        if !seen_version {
            return Err(Error::Malformed { line: 1, why: "the description is empty" });
        }
        Ok(session)
    }

    fn line(&mut self, kind: &str, value: &str, line: usize) -> Result<(), Error> {
        match kind {
            "o" => self.origin_line(value, line),
            "c" => {
                let host =
                    host(value).ok_or(Error::Malformed { line, why: "c= needs IN, IP4 or IP6 and an address" })?;
                match self.media.last_mut() {
                    Some(media) => media.host = media.host.take().or(Some(host)),
                    None => self.host = Some(host),
                }
                Ok(())
            }
            "m" => {
                if self.media.len() >= limits::SDP_MEDIA {
                    return Err(Error::TooMany { what: "m-lines", limit: limits::SDP_MEDIA });
                }
                self.media.push(media(value, line)?);
                Ok(())
            }
            "a" => self.attribute(value, line),
            _ => Ok(()),
        }
    }

    fn origin_line(&mut self, value: &str, line: usize) -> Result<(), Error> {
        let why = "o= needs a user, two numbers and an address";
        let parts: Vec<_> = value.split_whitespace().collect();
        let [_, id, version, _, _, address] = parts.as_slice() else { return Err(Error::Malformed { line, why }) };
        if !id.bytes().chain(version.bytes()).all(|b| b.is_ascii_digit()) {
            return Err(Error::Malformed { line, why });
        }
        // Numbers beyond 64 bits are legal; nothing but their change matters.
        self.session_id = id.parse().unwrap_or(u64::MAX);
        self.version = version.parse().unwrap_or(u64::MAX);
        self.origin = address.parse().ok();
        Ok(())
    }

    fn attribute(&mut self, value: &str, line: usize) -> Result<(), Error> {
        let (name, value) = value.split_once(':').unwrap_or((value, ""));
        let (name, value) = (name.trim(), value.trim());
        if let Some(direction) = Direction::from_name(name) {
            match self.media.last_mut() {
                Some(media) => media.direction = Some(direction),
                None => self.direction = Some(direction),
            }
            return Ok(());
        }
        let Some(media) = self.media.last_mut() else { return Ok(()) };
        match name {
            "rtpmap" => rtpmap(media, value, line)?,
            "fmtp" => {
                if let Some((token, parameters)) = value.split_once(' ')
                    && let Some(format) = media.formats.iter_mut().find(|f| f.token == token)
                {
                    format.fmtp = parameters.trim().into();
                }
            }
            "ptime" => media.ptime = milliseconds(value),
            "maxptime" => media.maxptime = milliseconds(value),
            "rtcp" => {
                media.rtcp_port = value.split_whitespace().next().and_then(|p| p.parse().ok()).filter(|p| *p != 0)
            }
            "rtcp-mux" => media.rtcp_mux = true,
            "crypto" if media.crypto.len() < crypto::LINES => media.crypto.extend(CryptoLine::parse(value)),
            _ => {}
        }
        Ok(())
    }
}

fn milliseconds(value: &str) -> Option<u16> {
    // Some peers write fractions.
    value.split('.').next().and_then(|whole| whole.parse().ok()).filter(|ms| *ms > 0)
}

fn host(value: &str) -> Option<Host> {
    let parts: Vec<_> = value.split_whitespace().collect();
    let ["IN", "IP4" | "IP6", address] = parts.as_slice() else { return None };
    let address = address.split('/').next()?;
    let bare = address.trim_start_matches('[').trim_end_matches(']');
    Some(bare.parse().map_or_else(|_| Host::Name(bare.into()), Host::Ip))
}

fn media(value: &str, line: usize) -> Result<Media, Error> {
    let why = "m= needs a kind, a port, a profile and formats";
    let mut parts = value.split_whitespace();
    let (Some(kind), Some(port), Some(profile)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Error::Malformed { line, why });
    };
    let port = port.split('/').next().unwrap_or_default();
    let port = port.parse().map_err(|_| Error::Malformed { line, why: "the port is not a number below 65536" })?;
    let formats: Vec<_> = parts.map(|token| Format { token: token.into(), ..Default::default() }).collect();
    if formats.len() > limits::SDP_FORMATS {
        return Err(Error::TooMany { what: "formats on one m-line", limit: limits::SDP_FORMATS });
    }
    Ok(Media { kind: kind.into(), port, profile: profile.into(), formats, ..Default::default() })
}

fn rtpmap(media: &mut Media, value: &str, line: usize) -> Result<(), Error> {
    let Some((token, encoding)) = value.split_once(char::is_whitespace) else {
        return Err(Error::Malformed { line, why: "rtpmap needs a payload type and an encoding" });
    };
    let mut parts = encoding.trim().split('/');
    let (name, rate) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if let Some(format) = media.formats.iter_mut().find(|f| f.token == token) {
        format.name = name.into();
        format.rate = rate.parse().unwrap_or(0);
        format.channels = parts.next().and_then(|channels| channels.parse().ok()).unwrap_or(0);
    }
    Ok(())
}
