//! The configuration: what was written ([`raw`]) and what it means ([`Config`]).

mod duration;
mod key;
mod raw;

use raw::RawConfig;
use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    path::PathBuf,
    time::Duration,
};
use trunkline_routing::{Strangers, record::AnswerPolicy};
use trunkline_types::VoiceCodec;

/// Where a configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A YAML file.
    File(PathBuf),
    /// YAML text.
    Body(String),
    /// Nothing: the defaults.
    Empty,
}

/// What is wrong with a configuration. The text names key, value and cure.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum ConfigError {
    #[error("{path} cannot be read: {why}", path = path.display())]
    Read { path: PathBuf, why: std::io::Error },
    #[error("the configuration is not YAML: {0}")]
    Yaml(String),
    #[error("unknown key `{key}`{nearest}")]
    UnknownKey { key: String, nearest: String },
    #[error("`{key}`: {why}")]
    Value { key: &'static str, why: String },
}

/// API keys and their secrets; the secrets are never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Keys(pub BTreeMap<String, String>);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// TLS for SIP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The port.
    pub port: u16,
    /// Certificate and key files, PEM.
    pub certs: Vec<(PathBuf, PathBuf)>,
    /// Authorities, PEM: who connects must show a certificate that one of them has signed.
    pub client_ca_file: Option<PathBuf>,
}

/// TLS for calls out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOut {
    /// Roots besides the system's, PEM.
    pub ca_file: Option<PathBuf>,
    /// Certificates of ours: name, certificate and key files, PEM.
    pub client_certs: Vec<(String, PathBuf, PathBuf)>,
}

/// Defaults of rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomDefaults {
    /// A join may create a room.
    pub auto_create: bool,
    /// Seconds.
    pub empty_timeout: u32,
    /// Seconds.
    pub departure_timeout: u32,
    /// What rooms speak over WebRTC.
    pub audio_codec: VoiceCodec,
}

/// Where webhooks go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Webhook {
    /// The key that signs them.
    pub api_key: String,
    /// The URLs.
    pub urls: Vec<String>,
}

/// The configuration, resolved and checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// HTTP port; 0 for any free one.
    pub port: u16,
    /// HTTP addresses.
    pub bind_addresses: Vec<IpAddr>,
    /// API keys.
    pub keys: Keys,
    /// The store's folder.
    pub data_dir: PathBuf,
    /// SIP over UDP and TCP; 0 for any free ones.
    pub sip_port: u16,
    /// Address of SIP and RTP sockets.
    pub listen_ip: IpAddr,
    /// SIP over TLS.
    pub tls: Option<Tls>,
    /// Whom TLS trusts in calls out, and who we are there.
    pub tls_out: TlsOut,
    /// DNS servers; empty for the system's.
    pub dns_servers: Vec<SocketAddr>,
    /// RTP ports; `0..=0` for any free ones.
    pub rtp_ports: RangeInclusive<u16>,
    /// WebRTC over UDP: the port of the first media thread, those of the others above it; 0 for any.
    pub rtc_udp_port: u16,
    /// WebRTC over TCP, one port; 0 for any, `None` for none.
    pub rtc_tcp_port: Option<u16>,
    /// WebRTC clients are told of TCP alone.
    pub rtc_force_tcp: bool,
    /// The address WebRTC clients are told.
    pub rtc_node_ip: Option<IpAddr>,
    /// libopus' complexity for voices on their way to WebRTC, 0 to 10.
    pub rtc_complexity: u8,
    /// The address Contact and Via name.
    pub advertise: Option<IpAddr>,
    /// The address SDP names.
    pub media_advertise: Option<IpAddr>,
    /// When calls are answered.
    pub answer_policy: AnswerPolicy,
    /// Calls need a trunk.
    pub require_trunk: bool,
    /// What strangers are told.
    pub strangers: Strangers,
    /// Between RTP packets.
    pub media_timeout: Duration,
    /// Until the first RTP packet.
    pub media_timeout_initial: Duration,
    /// How long calls ring.
    pub ringing_timeout: Duration,
    /// How long calls may last.
    pub max_call_duration: Duration,
    /// Rooms.
    pub room: RoomDefaults,
    /// Webhooks.
    pub webhook: Webhook,
    /// How long a drain may take.
    pub drain_timeout: Duration,
    /// How long last words may delay a BYE.
    pub last_words: Duration,
    /// Mapped headers on the 200 to the far end's BYE.
    pub headers_on_200_to_bye: bool,
    /// The status when nobody takes a call.
    pub no_answer_status: u16,
    /// Hosts that inline trunks may call.
    pub inline_trunk_hosts: Vec<String>,
    /// Media threads.
    pub media_threads: usize,
    /// The share of their time up to which they are given new calls; 1 for all of it.
    pub max_load: f32,
    /// The name in metrics.
    pub node_id: String,
    /// `error`, `warn`, `info`, `debug`, `trace`.
    pub log_level: String,
}

/// Loads a configuration; the warnings are for the operator.
///
/// # Errors
/// A file that cannot be read, an unknown key, a value that makes no sense.
pub fn load(source: &Source, env: &dyn Fn(&str) -> Option<String>) -> Result<(Config, Vec<String>), ConfigError> {
    let text = match source {
        Source::File(path) => {
            std::fs::read_to_string(path).map_err(|why| ConfigError::Read { path: path.clone(), why })?
        }
        Source::Body(text) => text.clone(),
        Source::Empty => String::new(),
    };
    let mut warnings = Vec::new();
    let raw = RawConfig::read(&text, &mut warnings)?;
    let config = resolve(raw, env, &mut warnings)?;
    Ok((config, warnings))
}

fn resolve(
    raw: RawConfig,
    env: &dyn Fn(&str) -> Option<String>,
    warnings: &mut Vec<String>,
) -> Result<Config, ConfigError> {
    let mut keys = raw.keys;
    if keys.is_empty()
        && let (Some(key), Some(secret)) = (env("LIVEKIT_API_KEY"), env("LIVEKIT_API_SECRET"))
    {
        keys.insert(key, secret);
    }
    if keys.is_empty() {
        warnings.push("there are no API keys: every API request is answered 401; run `trunkline init`".into());
    }
    let webhook = Webhook { api_key: raw.webhook.api_key, urls: raw.webhook.urls };
    if !webhook.urls.is_empty() && !keys.contains_key(&webhook.api_key) {
        let why = format!("{:?} is not one of `keys`; webhooks could not be signed", webhook.api_key);
        return Err(ConfigError::Value { key: "webhook.api_key", why });
    }
    let seconds = |key, text: &Option<String>, default| duration::parse(key, text.as_deref(), default);
    if !(400..=699).contains(&raw.no_answer_status) {
        let why = format!("{} is not a status from 400 to 699", raw.no_answer_status);
        return Err(ConfigError::Value { key: "no_answer_status", why });
    }
    if raw.rtc.force_tcp && raw.rtc.tcp_port.is_none() {
        let why = "it needs a port; leave `rtc.tcp_port` out for 7881".to_owned();
        return Err(ConfigError::Value { key: "rtc.force_tcp", why });
    }
    let advertise = ip("nat_1_to_1_ip", raw.nat_1_to_1_ip.as_deref())?;
    Ok(Config {
        port: raw.port,
        bind_addresses: bind_addresses(&raw.bind_addresses)?,
        keys: Keys(keys),
        data_dir: raw.data_dir,
        sip_port: raw.sip_port,
        listen_ip: ip("listen_ip", Some(&raw.listen_ip))?.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        tls_out: tls_out(raw.tls.as_ref())?,
        dns_servers: dns_servers(&raw.dns.servers)?,
        tls: tls(raw.tls)?,
        rtp_ports: ports(&raw.rtp_port)?,
        rtc_udp_port: raw.rtc.udp_port,
        rtc_tcp_port: raw.rtc.tcp_port,
        rtc_force_tcp: raw.rtc.force_tcp,
        rtc_node_ip: ip("rtc.node_ip", raw.rtc.node_ip.as_deref())?.or(advertise),
        rtc_complexity: raw.rtc.complexity.min(10),
        advertise,
        media_advertise: ip("media_nat_1_to_1_ip", raw.media_nat_1_to_1_ip.as_deref())?.or(advertise),
        answer_policy: raw.answer_policy,
        require_trunk: raw.require_trunk,
        strangers: raw.strangers,
        media_timeout: seconds("media_timeout", &raw.media_timeout, 15)?,
        media_timeout_initial: seconds("media_timeout_initial", &raw.media_timeout_initial, 30)?,
        ringing_timeout: seconds("ringing_timeout", &raw.ringing_timeout, 180)?,
        max_call_duration: seconds("max_call_duration", &raw.max_call_duration, 24 * 3600)?,
        room: RoomDefaults {
            auto_create: raw.room.auto_create,
            empty_timeout: raw.room.empty_timeout,
            departure_timeout: raw.room.departure_timeout,
            audio_codec: raw.room.audio_codec,
        },
        webhook,
        drain_timeout: seconds("drain_timeout", &raw.drain_timeout, 1800)?,
        last_words: duration::parse("last_words", raw.last_words.as_deref(), 0)
            .map(|d| if raw.last_words.is_none() { Duration::from_millis(1_500) } else { d })?,
        headers_on_200_to_bye: raw.headers_on_200_to_bye,
        no_answer_status: raw.no_answer_status,
        inline_trunk_hosts: raw.outbound.inline_trunks,
        media_threads: raw.media_threads.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1))
        }),
        max_load: max_load(raw.max_cpu_utilization)?,
        node_id: raw.node_id,
        log_level: raw.logging.level,
    })
}

/// livekit-sip's key, of the time of the threads that carry media.
fn max_load(share: f32) -> Result<f32, ConfigError> {
    match share > 0.0 && share <= 1.0 {
        true => Ok(share),
        false => Err(ConfigError::Value {
            key: "max_cpu_utilization",
            why: format!(
                "{share} is no share of the media threads' time up to which they are given new calls: above 0, up to 1"
            ),
        }),
    }
}

fn ip(key: &'static str, text: Option<&str>) -> Result<Option<IpAddr>, ConfigError> {
    match text.filter(|t| !t.is_empty()) {
        None => Ok(None),
        Some(text) => match text.parse() {
            Ok(ip) => Ok(Some(ip)),
            Err(_) => Err(ConfigError::Value { key, why: format!("{text:?} is not an IP address") }),
        },
    }
}

/// SIP over TLS, where there is a certificate for it.
fn tls(raw: Option<raw::RawTls>) -> Result<Option<Tls>, ConfigError> {
    let Some(raw) = raw else { return Ok(None) };
    if raw.certs.is_empty() && raw.client_ca_file.is_some() {
        let why = "nobody can connect who could show a certificate: tls.certs is empty".to_owned();
        return Err(ConfigError::Value { key: "tls.client_ca_file", why });
    }
    let certs: Vec<_> = raw.certs.into_iter().map(|c| (c.cert_file, c.key_file)).collect();
    Ok((!certs.is_empty()).then_some(Tls { port: raw.port, certs, client_ca_file: raw.client_ca_file }))
}

fn tls_out(raw: Option<&raw::RawTls>) -> Result<TlsOut, ConfigError> {
    let Some(raw) = raw else { return Ok(TlsOut::default()) };
    let mut client_certs: Vec<(String, PathBuf, PathBuf)> = Vec::new();
    for cert in &raw.client_certs {
        if cert.name.is_empty() || client_certs.iter().any(|(name, ..)| *name == cert.name) {
            let why = format!("the name {:?} is empty or stands twice; trunks choose a certificate by it", cert.name);
            return Err(ConfigError::Value { key: "tls.client_certs", why });
        }
        client_certs.push((cert.name.clone(), cert.cert_file.clone(), cert.key_file.clone()));
    }
    Ok(TlsOut { ca_file: raw.ca_file.clone(), client_certs })
}

/// Addresses with or without a port.
fn dns_servers(texts: &[String]) -> Result<Vec<SocketAddr>, ConfigError> {
    let read = |text: &String| {
        let bare = || text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 53));
        text.parse().ok().or_else(bare).ok_or_else(|| {
            let why = format!("{text:?} is not an address such as 192.0.2.53 or 127.0.0.1:5300");
            ConfigError::Value { key: "dns.servers", why }
        })
    };
    texts.iter().map(read).collect()
}

fn bind_addresses(texts: &[String]) -> Result<Vec<IpAddr>, ConfigError> {
    let key = "bind_addresses";
    let all: Result<Vec<_>, _> = texts.iter().map(|t| ip(key, Some(t))).collect();
    Ok(all?.into_iter().flatten().collect())
}

fn ports(text: &str) -> Result<RangeInclusive<u16>, ConfigError> {
    let wrong = || ConfigError::Value {
        key: "rtp_port",
        why: format!("{text:?} is not a range such as 10000-20000, or 0 for any free ports"),
    };
    if text.trim() == "0" {
        return Ok(0..=0);
    }
    let (first, last) = text.split_once('-').ok_or_else(wrong)?;
    let (first, last): (u16, u16) =
        (first.trim().parse().map_err(|_| wrong())?, last.trim().parse().map_err(|_| wrong())?);
    if first == 0 || last <= first { Err(wrong()) } else { Ok(first..=last) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(body: &str) -> String {
        load(&Source::Body(body.into()), &|_| None).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_configuration_is_safe() {
        let (config, warnings) = load(&Source::Empty, &|_| None).unwrap();
        assert!(config.keys.0.is_empty() && config.require_trunk);
        assert!(warnings.iter().any(|w| w.contains("401")), "{warnings:?}");
    }

    #[test]
    fn a_mistake_names_the_key_and_the_cure() {
        assert_eq!(text_of("sip_prot: 5060"), "unknown key `sip_prot`; did you mean `sip_port`?");
        assert_eq!(
            text_of("room: { empty_timout: 3 }"),
            "unknown key `room.empty_timout`; did you mean `room.empty_timeout`?"
        );
        assert!(text_of("rtp_port: abc").contains("10000-20000"));
        assert!(text_of("media_timeout: 15 bananas").contains("15s"));
        assert!(text_of("listen_ip: localhost").contains("not an IP address"));
        assert!(text_of("rtc: { tcp_port: null, force_tcp: true }").contains("rtc.tcp_port"));
        assert!(text_of("no_answer_status: 200").contains("400 to 699"));
        for share in ["0", "-0.5", "1.01", "90", ".nan"] {
            assert!(text_of(&format!("max_cpu_utilization: {share}")).contains("above 0, up to 1"), "{share}");
        }
        assert!(text_of("dns: { servers: [resolver.example] }").contains("127.0.0.1:5300"));
        let twice = "{ name: a, cert_file: a, key_file: a }";
        assert!(text_of(&format!("tls: {{ client_certs: [{twice}, {twice}] }}")).contains("stands twice"));
        assert!(text_of("tls: { client_ca_file: ca.pem }").contains("tls.certs is empty"));
    }

    #[test]
    fn dns_servers_and_certificates_of_ours_are_read() {
        let body = "dns: { servers: ['127.0.0.1:5300', '2001:db8::53'] }\n\
                    tls: { ca_file: ca.pem, client_certs: [{ name: carrier, cert_file: c.pem, key_file: c.key }] }";
        let (config, _) = load(&Source::Body(body.into()), &|_| None).unwrap();
        let servers = ["127.0.0.1:5300", "[2001:db8::53]:53"].map(|s| s.parse().unwrap());
        assert_eq!(config.dns_servers, servers);
        assert!(config.tls.is_none(), "without a certificate there is no listener");
        assert_eq!(config.tls_out.ca_file, Some("ca.pem".into()));
        assert_eq!(config.tls_out.client_certs, [("carrier".into(), "c.pem".into(), "c.key".into())]);
    }

    #[test]
    fn the_share_of_the_media_threads_is_livekits() {
        for (body, share) in [("", 0.9), ("max_cpu_utilization: 0.5", 0.5), ("max_cpu_utilization: 1", 1.0)] {
            let (config, _) = load(&Source::Body(body.into()), &|_| None).unwrap();
            assert_eq!(config.max_load, share);
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let (config, _) = load(&Source::Body("keys: { devkey: topsecret }".into()), &|_| None).unwrap();
        assert!(!format!("{config:?}").contains("topsecret"));
    }

    #[test]
    fn keys_of_livekit_that_make_no_sense_here_are_warned_about() {
        let (_, warnings) = load(&Source::Body("hide_inbound_port: true".into()), &|_| None).unwrap();
        assert!(warnings.iter().any(|w| w.contains("hide_inbound_port")), "{warnings:?}");
    }
}
