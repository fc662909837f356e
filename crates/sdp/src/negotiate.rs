//! Offer and answer (RFC 3264).

use crate::{AudioCodec, Direction, Error, Format, Media, Session, session::Host};
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
    /// That of `telephone-event/8000`.
    pub telephone_event: Option<u8>,
    /// What we put into one packet, 10–60 ms.
    pub ptime_ms: u16,
    /// What WE do.
    pub direction: Direction,
    /// The far end put us on hold.
    pub held: bool,
}

/// Answers an offer: every m-line in order, refused ones with port 0.
///
/// # Errors
/// No audio over plain RTP, no common codec, or a host name for an address.
pub fn answer(offer: &Session, local: &Local) -> Result<(Session, Negotiated), Error> {
    let (chosen, audio) = usable_audio(offer)?;
    let (codec, payload_type) = local
        .codecs
        .iter()
        .find_map(|codec| payload_type_of(audio, *codec).map(|pt| (*codec, pt)))
        .ok_or_else(|| no_common_codec(audio))?;
    let event = telephone_event(audio);
    let negotiated = conclude(offer, audio, codec, payload_type, event, local)?;
    let media = offer
        .media
        .iter()
        .enumerate()
        .map(
            |(index, asked)| {
                if index == chosen { accepted(asked, offer.direction, &negotiated, local) } else { refused(asked) }
            },
        )
        .collect();
    Ok((ours(local, media), negotiated))
}

/// An offer of ours: all our codecs and telephone-event.
pub fn offer(local: &Local) -> Session {
    let mut formats: Vec<_> = local.codecs.iter().map(|c| codec_format(*c, c.payload_type())).collect();
    formats.push(event_format(101));
    let media = Media {
        kind: "audio".into(),
        port: local.port,
        profile: "RTP/AVP".into(),
        formats,
        direction: Some(local.direction),
        ptime: Some(local.ptime_ms),
        ..Default::default()
    };
    ours(local, vec![media])
}

/// Concludes an offer of ours with the far end's answer.
///
/// # Errors
/// As [`answer`]; also when the answer has other m-lines than the offer.
pub fn accept_answer(offer: &Session, answer: &Session, local: &Local) -> Result<Negotiated, Error> {
    if offer.media.len() != answer.media.len() {
        return Err(Error::Mismatch);
    }
    let (_, audio) = usable_audio(answer)?;
    // The first codec of the answer is the one the far end wants to use.
    let (codec, payload_type) = audio
        .formats
        .iter()
        .find_map(|f| Some((codec_of(f)?, f.payload_type()?)))
        .filter(|(codec, _)| local.codecs.contains(codec))
        .ok_or_else(|| no_common_codec(audio))?;
    conclude(answer, audio, codec, payload_type, telephone_event(audio), local)
}

fn usable_audio(session: &Session) -> Result<(usize, &Media), Error> {
    session
        .media
        .iter()
        .enumerate()
        .find(|(_, m)| {
            m.kind.eq_ignore_ascii_case("audio")
                && m.port != 0
                && ["RTP/AVP", "RTP/AVPF"].iter().any(|p| m.profile.eq_ignore_ascii_case(p))
        })
        .ok_or(Error::NoAudio)
}

fn codec_of(format: &Format) -> Option<AudioCodec> {
    if format.name.is_empty() {
        return format.payload_type().and_then(AudioCodec::from_static);
    }
    AudioCodec::from_name(&format.name).filter(|_| format.rate == 8000)
}

fn payload_type_of(media: &Media, codec: AudioCodec) -> Option<u8> {
    media.formats.iter().find(|f| codec_of(f) == Some(codec)).and_then(Format::payload_type)
}

fn telephone_event(media: &Media) -> Option<u8> {
    media
        .formats
        .iter()
        .find(|f| f.name.eq_ignore_ascii_case("telephone-event") && f.rate == 8000)
        .and_then(Format::payload_type)
}

fn no_common_codec(media: &Media) -> Error {
    let names: Vec<_> =
        media.formats.iter().map(|f| if f.name.is_empty() { f.token.as_str() } else { f.name.as_str() }).collect();
    Error::NoCommonCodec { offered: names.join(", ") }
}

fn conclude(
    theirs: &Session,
    audio: &Media,
    codec: AudioCodec,
    payload_type: u8,
    telephone_event: Option<u8>,
    local: &Local,
) -> Result<Negotiated, Error> {
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
        payload_type,
        telephone_event,
        // Whole packets of 10 ms.
        ptime_ms: wanted / 10 * 10,
        direction,
        held: !asked.receives() || remote_ip.is_none(),
    })
}

fn codec_format(codec: AudioCodec, payload_type: u8) -> Format {
    Format { token: payload_type.to_string(), name: codec.name().into(), rate: 8000, fmtp: String::new() }
}

fn event_format(payload_type: u8) -> Format {
    Format { token: payload_type.to_string(), name: "telephone-event".into(), rate: 8000, fmtp: "0-16".into() }
}

fn accepted(asked: &Media, session: Option<Direction>, negotiated: &Negotiated, local: &Local) -> Media {
    let mut formats = vec![codec_format(negotiated.codec, negotiated.payload_type)];
    formats.extend(negotiated.telephone_event.map(event_format));
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
        ..Default::default()
    }
}

fn refused(asked: &Media) -> Media {
    Media {
        kind: asked.kind.clone(),
        port: 0,
        profile: asked.profile.clone(),
        formats: asked
            .formats
            .iter()
            .take(1)
            .map(|f| Format { token: f.token.clone(), ..Default::default() })
            .collect(),
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
