//! The configuration as it was written.

use super::{ConfigError, key::nearest};
use serde::Deserialize;
use serde_yaml_ng::{Mapping, Value};
use std::{collections::BTreeMap, path::PathBuf};
use trunkline_routing::{Strangers, record::AnswerPolicy};
use trunkline_types::VoiceCodec;

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(crate) struct RawConfig {
    pub(crate) port: u16,
    pub(crate) bind_addresses: Vec<String>,
    pub(crate) keys: BTreeMap<String, String>,
    pub(crate) data_dir: PathBuf,
    pub(crate) sip_port: u16,
    pub(crate) listen_ip: String,
    pub(crate) tls: Option<RawTls>,
    pub(crate) dns: RawDns,
    #[serde(deserialize_with = "text")]
    pub(crate) rtp_port: String,
    pub(crate) rtc: RawRtc,
    pub(crate) nat_1_to_1_ip: Option<String>,
    pub(crate) media_nat_1_to_1_ip: Option<String>,
    pub(crate) answer_policy: AnswerPolicy,
    pub(crate) require_trunk: bool,
    pub(crate) strangers: Strangers,
    #[serde(deserialize_with = "optional_text")]
    pub(crate) media_timeout: Option<String>,
    #[serde(deserialize_with = "optional_text")]
    pub(crate) media_timeout_initial: Option<String>,
    #[serde(deserialize_with = "optional_text")]
    pub(crate) ringing_timeout: Option<String>,
    #[serde(deserialize_with = "optional_text")]
    pub(crate) max_call_duration: Option<String>,
    pub(crate) room: RawRoom,
    pub(crate) webhook: RawWebhook,
    #[serde(deserialize_with = "optional_text")]
    pub(crate) drain_timeout: Option<String>,
    #[serde(deserialize_with = "optional_text")]
    pub(crate) last_words: Option<String>,
    pub(crate) headers_on_200_to_bye: bool,
    pub(crate) outbound: RawOutbound,
    pub(crate) no_answer_status: u16,
    pub(crate) media_threads: Option<usize>,
    pub(crate) max_cpu_utilization: f32,
    pub(crate) node_id: String,
    pub(crate) logging: RawLogging,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RawTls {
    #[serde(default = "tls_port")]
    pub(crate) port: u16,
    #[serde(default)]
    pub(crate) certs: Vec<RawCert>,
    #[serde(default)]
    pub(crate) ca_file: Option<PathBuf>,
    #[serde(default)]
    pub(crate) client_certs: Vec<RawClientCert>,
    #[serde(default)]
    pub(crate) client_ca_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RawDns {
    pub(crate) servers: Vec<String>,
}

fn tls_port() -> u16 {
    5061
}

#[derive(Debug, Deserialize)]
pub(crate) struct RawClientCert {
    pub(crate) name: String,
    pub(crate) cert_file: PathBuf,
    pub(crate) key_file: PathBuf,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RawCert {
    pub(crate) cert_file: PathBuf,
    pub(crate) key_file: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(crate) struct RawRoom {
    pub(crate) auto_create: bool,
    pub(crate) empty_timeout: u32,
    pub(crate) departure_timeout: u32,
    pub(crate) audio_codec: VoiceCodec,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(crate) struct RawRtc {
    pub(crate) udp_port: u16,
    pub(crate) tcp_port: Option<u16>,
    pub(crate) force_tcp: bool,
    pub(crate) node_ip: Option<String>,
    pub(crate) complexity: u8,
}

impl Default for RawRtc {
    fn default() -> Self {
        Self { udp_port: 7882, tcp_port: Some(7881), force_tcp: false, node_ip: None, complexity: 1 }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RawOutbound {
    pub(crate) inline_trunks: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RawWebhook {
    pub(crate) api_key: String,
    pub(crate) urls: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(crate) struct RawLogging {
    pub(crate) level: String,
}

impl Default for RawLogging {
    fn default() -> Self {
        Self { level: "info".into() }
    }
}

impl Default for RawRoom {
    fn default() -> Self {
        Self { auto_create: true, empty_timeout: 300, departure_timeout: 20, audio_codec: VoiceCodec::Opus }
    }
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            port: 7880,
            bind_addresses: vec!["0.0.0.0".into()],
            keys: BTreeMap::new(),
            data_dir: "./trunkline-data".into(),
            sip_port: 5060,
            listen_ip: "0.0.0.0".into(),
            tls: None,
            dns: RawDns::default(),
            rtp_port: "10000-20000".into(),
            rtc: RawRtc::default(),
            nat_1_to_1_ip: None,
            media_nat_1_to_1_ip: None,
            answer_policy: AnswerPolicy::OnAudio,
            require_trunk: true,
            strangers: Strangers::Forbid,
            media_timeout: None,
            media_timeout_initial: None,
            ringing_timeout: None,
            max_call_duration: None,
            room: RawRoom::default(),
            webhook: RawWebhook::default(),
            drain_timeout: None,
            last_words: None,
            headers_on_200_to_bye: false,
            outbound: RawOutbound::default(),
            no_answer_status: 480,
            media_threads: None,
            max_cpu_utilization: 0.9,
            node_id: "ND_trunkline".into(),
            logging: RawLogging::default(),
        }
    }
}

const KEYS: &[&str] = &[
    "port",
    "bind_addresses",
    "keys",
    "data_dir",
    "sip_port",
    "listen_ip",
    "tls",
    "dns",
    "rtp_port",
    "rtc",
    "nat_1_to_1_ip",
    "media_nat_1_to_1_ip",
    "answer_policy",
    "require_trunk",
    "strangers",
    "media_timeout",
    "media_timeout_initial",
    "ringing_timeout",
    "max_call_duration",
    "room",
    "webhook",
    "drain_timeout",
    "last_words",
    "headers_on_200_to_bye",
    "outbound",
    "no_answer_status",
    "media_threads",
    "max_cpu_utilization",
    "node_id",
    "logging",
];
const SECTIONS: &[(&str, &[&str])] = &[
    ("tls", &["port", "certs", "ca_file", "client_certs", "client_ca_file"]),
    ("dns", &["servers"]),
    ("room", &["auto_create", "empty_timeout", "departure_timeout", "audio_codec"]),
    ("rtc", &["udp_port", "tcp_port", "force_tcp", "node_ip", "complexity"]),
    ("outbound", &["inline_trunks"]),
    ("webhook", &["api_key", "urls"]),
    ("logging", &["level"]),
];
/// Keys of livekit-server's `rtc` that mean nothing here, and why.
const IGNORED_RTC: &[(&str, &str)] = &[
    ("port_range_start", "one UDP port per media thread is used, from `rtc.udp_port` up"),
    ("port_range_end", "one UDP port per media thread is used, from `rtc.udp_port` up"),
    ("use_external_ip", "name the address in `rtc.node_ip`"),
    ("stun_servers", "the server's address is known: `rtc.node_ip`"),
    ("use_ice_lite", "it is always on"),
];
/// Keys of livekit-server and livekit-sip that mean nothing here, and why.
const IGNORED: &[(&str, &str)] = &[
    ("redis", "cluster mode is not there yet"),
    ("ws_url", "cluster mode is not there yet"),
    ("api_key", "use `keys`"),
    ("api_secret", "use `keys`"),
    ("turn", "there is no TURN server here; clients reach `rtc.udp_port` directly"),
    ("use_external_ip", "name the address in `nat_1_to_1_ip`"),
    ("media_use_external_ip", "name the address in `media_nat_1_to_1_ip`"),
    ("local_net", "name the address in `listen_ip`"),
    ("health_port", "/healthz is served on `port`"),
    ("prometheus_port", "/metrics is served on `port`"),
    ("hide_inbound_port", "use `strangers: silent`"),
    ("symmetric_rtp", "the source lock follows the far end's address"),
    ("enable_jitter_buffer", "it is always on"),
    ("development", "use `trunkline run --dev`"),
];

impl RawConfig {
    pub(crate) fn read(text: &str, warnings: &mut Vec<String>) -> Result<Self, ConfigError> {
        let yaml = |error: serde_yaml_ng::Error| ConfigError::Yaml(error.to_string());
        let value: Value = serde_yaml_ng::from_str(text).map_err(yaml)?;
        let mut mapping = match value {
            Value::Null => Mapping::new(),
            Value::Mapping(mapping) => mapping,
            _ => return Err(ConfigError::Yaml("it is not a list of `key: value`".into())),
        };
        for (key, why) in IGNORED {
            if mapping.remove(*key).is_some() {
                warnings.push(format!("`{key}` is ignored: {why}"));
            }
        }
        if let Some(Value::Mapping(rtc)) = mapping.get_mut("rtc") {
            for (key, why) in IGNORED_RTC {
                if rtc.remove(*key).is_some() {
                    warnings.push(format!("`rtc.{key}` is ignored: {why}"));
                }
            }
        }
        check_keys("", &mapping, KEYS)?;
        for (section, known) in SECTIONS {
            if let Some(Value::Mapping(inner)) = mapping.get(*section) {
                check_keys(&format!("{section}."), inner, known)?;
            }
        }
        serde_yaml_ng::from_value(Value::Mapping(mapping)).map_err(yaml)
    }
}

fn check_keys(prefix: &str, mapping: &Mapping, known: &[&str]) -> Result<(), ConfigError> {
    for key in mapping.keys() {
        let key = key.as_str().unwrap_or_default();
        if !known.contains(&key) {
            let nearest = nearest(key, known).map(|k| format!("; did you mean `{prefix}{k}`?")).unwrap_or_default();
            return Err(ConfigError::UnknownKey { key: format!("{prefix}{key}"), nearest });
        }
    }
    Ok(())
}

fn text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(optional_text(deserializer)?.unwrap_or_default())
}

fn optional_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => None,
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        other => return Err(serde::de::Error::custom(format!("{other:?} is not a text or number"))),
    })
}
