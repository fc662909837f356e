//! Offer and answer (RFC 3264).

use crate::{AudioCodec, Crypto, Direction, Error, Format, Media, OpusParameters, Security, Session, session::Host};
use std::net::{IpAddr, SocketAddr};

/// Our side of a description.
#[derive(Clone, Debug, PartialEq)]
pub struct Local {
    /// The address we name.
    pub address: IpAddr,
    /// Our RTP port.
    pub port: u16,
    /// `o=` session id.
    pub session_id: u64,
    /// `o=` version; grows with every new description.
    pub version: u64,
    /// Our codecs, the preferred one first.
    pub codecs: Vec<AudioCodec>,
    /// What we would like.
    pub direction: Direction,
    /// What we offer to receive, ms per packet.
    pub ptime_ms: u16,
}

/// What both sides agreed on.
#[derive(Clone, Debug, PartialEq)]
pub struct Negotiated {
    /// Where our RTP goes; `None` for a zero address.
    pub remote: Option<SocketAddr>,
    /// Where our RTCP goes; `None` when it is muxed.
    pub remote_rtcp: Option<SocketAddr>,
    /// `a=rtcp-mux` on both sides.
    pub rtcp_mux: bool,
    /// The codec both ways.
    pub codec: AudioCodec,
    /// Its payload type on the wire.
    pub payload_type: u8,
    /// That of `telephone-event`, under the codec's clock if there is one (RFC 4733 §2.1), else
    /// under 8 kHz.
    pub telephone_event: Option<u8>,
    /// The clock of `telephone_event`, Hz.
    pub telephone_event_rate: u32,
    /// What the far end says of Opus; `None` for another codec.
    pub opus: Option<OpusParameters>,
    /// The keys; `None` when media is not encrypted.
    pub crypto: Option<Crypto>,
    /// What we put into one packet, 10–60 ms.
    pub ptime_ms: u16,
    /// What WE do.
    pub direction: Direction,
    /// The far end put us on hold.
    pub held: bool,
}

/// Answers an offer without encryption: [`answer_with`] and [`Security::OFF`].
///
/// # Errors
/// As [`answer_with`].
pub fn answer(offer: &Session, local: &Local) -> Result<(Session, Negotiated), Error> {
    answer_with(offer, local, &Security::OFF)
}

/// Answers an offer: every m-line in order, refused ones with port 0. Of several audio streams an
/// encrypted one is taken if that is allowed, else the first.
///
/// # Errors
/// No audio over RTP, no common codec, no keys where they are demanded, encryption where it is off,
/// or a host name for an address.
pub fn answer_with(offer: &Session, local: &Local, security: &Security) -> Result<(Session, Negotiated), Error> {
    let chosen = choose(offer, local, security)?;
    let negotiated = conclude(offer, &chosen, local)?;
    let media =
        offer
            .media
            .iter()
            .enumerate()
            .map(|(index, asked)| {
                if index == chosen.index {
                    accepted(asked, offer.direction, &negotiated, local)
                } else {
                    refused(asked)
                }
            })
            .collect();
    Ok((ours(local, media), negotiated))
}

/// An offer of ours without encryption: all our codecs and telephone-event.
pub fn offer(local: &Local) -> Session {
    offer_with(local, &Security::OFF)
}

/// An offer of ours: all our codecs, telephone-event under each of their clocks, and our keys.
pub fn offer_with(local: &Local, security: &Security) -> Session {
    let mut formats: Vec<_> = local.codecs.iter().map(|c| codec_format(*c, c.payload_type())).collect();
    formats.push(event_format(101, 8_000));
    if local.codecs.iter().any(|c| c.clock_rate() == 48_000) {
        formats.push(event_format(103, 48_000));
    }
    let media = Media {
        kind: "audio".into(),
        port: local.port,
        profile: security.profile().into(),
        formats,
        direction: Some(local.direction),
        ptime: Some(local.ptime_ms),
        crypto: security.offered(),
        ..Default::default()
    };
    ours(local, vec![media])
}

/// Concludes an offer of ours made without encryption.
///
/// # Errors
/// As [`accept_answer_with`].
pub fn accept_answer(offer: &Session, answer: &Session, local: &Local) -> Result<Negotiated, Error> {
    accept_answer_with(offer, answer, local, &Security::OFF)
}

/// Concludes an offer of ours with the far end's answer.
///
/// # Errors
/// As [`answer_with`]; also when the answer has other m-lines than the offer.
pub fn accept_answer_with(
    offer: &Session,
    answer: &Session,
    local: &Local,
    security: &Security,
) -> Result<Negotiated, Error> {
    if offer.media.len() != answer.media.len() {
        return Err(Error::Mismatch);
    }
    let (index, audio, is_secure) = audio_streams(answer).next().ok_or(Error::NoAudio)?;
    let asked = offer.media.get(index).ok_or(Error::Mismatch)?;
    let crypto = security.answered(asked, audio, is_secure)?;
    // The first codec of the answer is the one the far end wants to use.
    let (codec, format) = audio
        .formats
        .iter()
        .find_map(|f| Some((codec_of(f)?, f)))
        .filter(|(codec, _)| local.codecs.contains(codec))
        .ok_or_else(|| no_common_codec(audio))?;
    conclude(answer, &Chosen { index, audio, codec, format, crypto }, local)
}

/// The stream that carries the call.
struct Chosen<'a> {
    index: usize,
    audio: &'a Media,
    codec: AudioCodec,
    format: &'a Format,
    crypto: Option<Crypto>,
}

/// The audio streams over RTP, and whether their profile demands encryption.
fn audio_streams(session: &Session) -> impl Iterator<Item = (usize, &Media, bool)> {
    session.media.iter().enumerate().filter(|(_, m)| m.port != 0 && m.kind.eq_ignore_ascii_case("audio")).filter_map(
        |(index, media)| {
            let is = |profiles: [&str; 2]| profiles.iter().any(|p| media.profile.eq_ignore_ascii_case(p));
            let is_secure = is(["RTP/SAVP", "RTP/SAVPF"]);
            (is_secure || is(["RTP/AVP", "RTP/AVPF"])).then_some((index, media, is_secure))
        },
    )
}

fn choose<'a>(offer: &'a Session, local: &Local, security: &Security) -> Result<Chosen<'a>, Error> {
    let mut plain = Err(Error::NoAudio);
    for (index, audio, is_secure) in audio_streams(offer) {
        let usable = security.answer(audio, is_secure).and_then(|crypto| {
            let (codec, format) = local
                .codecs
                .iter()
                .find_map(|codec| format_of(audio, *codec).map(|format| (*codec, format)))
                .ok_or_else(|| no_common_codec(audio))?;
            Ok(Chosen { index, audio, codec, format, crypto })
        });
        match (usable, &plain) {
            (Ok(chosen), _) if chosen.crypto.is_some() => return Ok(chosen),
            (usable, Err(Error::NoAudio)) => plain = usable,
            (Ok(chosen), Err(_)) => plain = Ok(chosen),
            _ => {}
        }
    }
    plain
}

fn codec_of(format: &Format) -> Option<AudioCodec> {
    let payload_type = format.payload_type()?;
    if format.name.is_empty() {
        return AudioCodec::from_static(payload_type);
    }
    // One channel may be named or not; Opus names two.
    AudioCodec::from_name(&format.name)
        .filter(|codec| format.rate == codec.clock_rate() && format.channels <= codec.channels().max(1))
}

fn format_of(media: &Media, codec: AudioCodec) -> Option<&Format> {
    media.formats.iter().find(|f| codec_of(f) == Some(codec))
}

/// Payload type and clock.
fn telephone_event(media: &Media, codec: AudioCodec) -> Option<(u8, u32)> {
    [codec.clock_rate(), 8_000].into_iter().find_map(|rate| {
        let format = media
            .formats
            .iter()
            .find(|f| f.name.eq_ignore_ascii_case("telephone-event") && f.rate == rate && f.payload_type().is_some())?;
        Some((format.payload_type()?, rate))
    })
}

fn no_common_codec(media: &Media) -> Error {
    let names: Vec<_> =
        media.formats.iter().map(|f| if f.name.is_empty() { f.token.as_str() } else { f.name.as_str() }).collect();
    Error::NoCommonCodec { offered: names.join(", ") }
}

fn conclude(theirs: &Session, chosen: &Chosen<'_>, local: &Local) -> Result<Negotiated, Error> {
    let Chosen { audio, codec, format, .. } = *chosen;
    let event = telephone_event(audio, codec);
    let address = match audio.host.as_ref().or(theirs.host.as_ref()) {
        Some(Host::Ip(ip)) => Some(*ip),
        Some(Host::Name(_)) => return Err(Error::UnresolvedHost),
        None => theirs.origin,
    };
    let remote_ip = address.filter(|ip| !ip.is_unspecified());
    let asked = audio.direction.or(theirs.direction).unwrap_or_default();
    let mirrored = asked.reversed();
    // A zero address is the hold of RFC 2543: nobody is there to hear us.
    let direction = Direction::new(
        mirrored.sends() && local.direction.sends() && remote_ip.is_some(),
        mirrored.receives() && local.direction.receives(),
    );
    let wanted = audio.ptime.unwrap_or(20).min(audio.maxptime.unwrap_or(60)).clamp(10, 60);
    Ok(Negotiated {
        remote: remote_ip.map(|ip| SocketAddr::new(ip, audio.port)),
        remote_rtcp: remote_ip.filter(|_| !audio.rtcp_mux).and_then(|ip| {
            let port = audio.rtcp_port.or_else(|| audio.port.checked_add(1))?;
            Some(SocketAddr::new(ip, port))
        }),
        rtcp_mux: audio.rtcp_mux,
        codec,
        payload_type: format.payload_type().ok_or_else(|| no_common_codec(audio))?,
        telephone_event: event.map(|(payload_type, _)| payload_type),
        telephone_event_rate: event.map_or(8_000, |(_, rate)| rate),
        opus: codec.name().eq_ignore_ascii_case("opus").then(|| OpusParameters::parse(&format.fmtp)),
        crypto: chosen.crypto.clone(),
        ptime_ms: codec.packet_ms(wanted),
        direction,
        held: !asked.receives() || remote_ip.is_none(),
    })
}

fn codec_format(codec: AudioCodec, payload_type: u8) -> Format {
    Format {
        token: payload_type.to_string(),
        name: codec.name().into(),
        rate: codec.clock_rate(),
        channels: codec.channels(),
        fmtp: codec.fmtp().into(),
    }
}

fn event_format(payload_type: u8, rate: u32) -> Format {
    Format {
        token: payload_type.to_string(),
        name: "telephone-event".into(),
        rate,
        fmtp: "0-16".into(),
        ..Default::default()
    }
}

fn accepted(asked: &Media, session: Option<Direction>, negotiated: &Negotiated, local: &Local) -> Media {
    let mut formats = vec![codec_format(negotiated.codec, negotiated.payload_type)];
    formats.extend(negotiated.telephone_event.map(|pt| event_format(pt, negotiated.telephone_event_rate)));
    let direction = asked.direction.or(session).unwrap_or_default().reversed();
    Media {
        kind: asked.kind.clone(),
        port: local.port,
        profile: asked.profile.clone(),
        formats,
        direction: Some(Direction::new(
            direction.sends() && local.direction.sends(),
            direction.receives() && local.direction.receives(),
        )),
        ptime: Some(negotiated.ptime_ms),
        rtcp_mux: asked.rtcp_mux,
        crypto: negotiated.crypto.iter().map(Crypto::line).collect(),
        ..Default::default()
    }
}

fn refused(asked: &Media) -> Media {
    // The grammar wants a format even of what is refused.
    let token = asked.formats.first().map_or("0", |format| &format.token).into();
    Media {
        kind: asked.kind.clone(),
        port: 0,
        profile: asked.profile.clone(),
        formats: vec![Format { token, ..Default::default() }],
        ..Default::default()
    }
}

fn ours(local: &Local, media: Vec<Media>) -> Session {
    Session {
        session_id: local.session_id,
        version: local.version,
        origin: Some(local.address),
        host: Some(Host::Ip(local.address)),
        direction: None,
        media,
    }
}
