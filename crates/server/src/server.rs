//! Builds everything from the configuration and ties it together.

use crate::{
    Config, clock,
    control::Control,
    counts, exchange_thread,
    inbox::{Inbox, inbox},
    names::Names,
    outputs::{Outputs, Waiting},
};
use axum::serve::ListenerExt;
use serde::Serialize;
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle as Task};
use trunkline_exchange::{Exchange, Input};
use trunkline_routing::{Directory, Settings};
use trunkline_sip::StackConfig;
use trunkline_store::{Loaded, OptionsOwner, Store, StoreOptions};
use trunkline_transport::{Incoming, Transport};
use trunkline_types::Random;

/// Why the server could not start. The text names the culprit and the cure.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum Error {
    #[error("{address} cannot be bound for HTTP ({why}); free it or set `port` and `bind_addresses`")]
    Http { address: SocketAddr, why: std::io::Error },
    #[error("the store in {dir} cannot be opened: {why}")]
    Store { dir: PathBuf, why: trunkline_store::Error },
    #[error("SIP cannot be served: {0}; free the port or set `sip_port` and `listen_ip`")]
    Transport(#[from] trunkline_transport::Error),
    #[error("the media threads cannot be started: {0}")]
    Media(#[from] trunkline_media::Error),
    #[error("webhooks cannot be sent: {0}")]
    Webhooks(#[from] trunkline_api::WebhookError),
    #[error("a thread cannot be started: {0}")]
    Thread(std::io::Error),
    #[error("the operating system gives no random numbers: {0}")]
    Random(std::io::Error),
}

/// Where the server can be reached; printed by `--print-addresses`.
#[derive(Clone, Debug, Serialize)]
pub struct Addresses {
    /// HTTP and Twirp.
    pub http: SocketAddr,
    /// SIP over UDP.
    pub sip_udp: Option<SocketAddr>,
    /// SIP over TCP.
    pub sip_tcp: Option<SocketAddr>,
    /// SIP over TLS, when a certificate is configured.
    pub sip_tls: Option<SocketAddr>,
    /// WebRTC over UDP, one for each media thread.
    pub rtc_udp: Vec<SocketAddr>,
    /// WebRTC over TCP, unless it is switched off.
    pub rtc_tcp: Option<SocketAddr>,
}

/// A running server.
pub struct Server {
    addresses: Addresses,
    inbox: Inbox,
    drained: Arc<Notify>,
    stop: Arc<AtomicBool>,
    ready: Arc<AtomicBool>,
    exchange: Option<JoinHandle<()>>,
    signals: trunkline_api::Signals,
    workers: trunkline_api::Workers,
    http: Vec<Task<()>>,
    transport: Transport,
    drain_timeout: Duration,
}

/// How long a stop without mercy may take.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long signalling connections may take to close after that.
const GOODBYE: Duration = Duration::from_millis(500);

impl Server {
    /// Opens, binds and starts everything.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let (inbox, inputs) = inbox();
        let (store, loaded) = open_store(&config, &inbox)?;
        let store = Arc::new(store);
        let reader = Arc::new(store.reader());
        let transport = bind_sip(&config, &inbox).await?;
        let media = Arc::new(start_media(&config, &inbox)?);
        let listeners = bind_http(&config).await?;
        let addresses = addresses(&transport, &media, &listeners)?;

        let keys = trunkline_api::Keys::new(config.keys.0.clone());
        let webhook =
            trunkline_api::WebhookConfig { api_key: config.webhook.api_key.clone(), urls: config.webhook.urls.clone() };
        let waiting = Waiting::default();
        let signals = trunkline_api::Signals::default();
        let workers = trunkline_api::Workers::default();
        let drained = Arc::new(Notify::new());
        let stop = Arc::new(AtomicBool::new(false));
        let ready = Arc::new(AtomicBool::new(true));
        let webhooks = trunkline_api::Webhooks::start(webhook, &keys, Arc::new(clock::now))?;
        let counting = counts::counting(&transport, &store, &webhooks);
        let outputs = Outputs {
            transport: transport.clone(),
            names: Names::new(&config.dns_servers, inbox.clone()),
            media,
            store,
            webhooks,
            signals: signals.clone(),
            workers: workers.clone(),
            waiting: waiting.clone(),
            drained: drained.clone(),
            stop: stop.clone(),
        };
        let mut exchange = build_exchange(&config, loaded)?;
        exchange.listens_on(crate::listening::concrete(&transport));
        let exchange = exchange_thread::spawn(exchange, inputs, outputs).map_err(Error::Thread)?;

        let control =
            Control { inbox: inbox.clone(), waiting, next: AtomicU64::new(1), reader, ready: ready.clone(), counting };
        let api = trunkline_api::Config {
            keys,
            body_limit: trunkline_types::limits::API_BODY_BYTES,
            node_id: config.node_id.clone(),
            auto_create: config.room.auto_create,
        };
        let router =
            trunkline_api::router(api, Arc::new(control), signals.clone(), workers.clone(), Arc::new(clock::now));
        let http = listeners.into_iter().map(|listener| serve(listener, router.clone())).collect();
        Ok(Self {
            addresses,
            inbox,
            drained,
            stop,
            ready,
            exchange: Some(exchange),
            signals,
            workers,
            http,
            transport,
            drain_timeout: config.drain_timeout,
        })
    }

    /// Where it can be reached.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Takes no more calls and waits until the running ones have ended, at most `drain_timeout`.
    pub async fn drain(&self) {
        self.ready.store(false, Ordering::Relaxed);
        let deadline = clock::now() + self.drain_timeout;
        self.inbox.put(Input::Drain(deadline));
        let _ = tokio::time::timeout(self.drain_timeout + LAST_WORDS, self.drained.notified()).await;
    }

    /// Ends all calls with BYE and stops, within two seconds.
    pub async fn shut_down(mut self) {
        self.ready.store(false, Ordering::Relaxed);
        self.inbox.put(Input::Drain(clock::now()));
        let _ = tokio::time::timeout(LAST_WORDS, self.drained.notified()).await;
        // Clients shall hear that they have to leave.
        let _ =
            tokio::time::timeout(GOODBYE, async { tokio::join!(self.signals.closed(), self.workers.closed()) }).await;
        self.stop.store(true, Ordering::Relaxed);
        self.inbox.put(Input::Tick);
        for task in self.http.drain(..) {
            task.abort();
        }
        self.transport.close().await;
        if let Some(exchange) = self.exchange.take() {
            // Dropping the shells closes the store, which writes what is still queued.
            let _ = tokio::task::spawn_blocking(move || exchange.join()).await;
        }
    }
}

fn open_store(config: &Config, inbox: &Inbox) -> Result<(Store, Loaded), Error> {
    let inbox = inbox.clone();
    let options = StoreOptions {
        completed: Box::new(move |id, result| inbox.put(Input::Stored(id, result))),
        ..StoreOptions::default()
    };
    Store::open(&config.data_dir, options).map_err(|why| Error::Store { dir: config.data_dir.clone(), why })
}

async fn bind_sip(config: &Config, inbox: &Inbox) -> Result<Transport, Error> {
    let at = |port| vec![SocketAddr::new(config.listen_ip, port)];
    let tls_server = match &config.tls {
        Some(tls) => Some(trunkline_transport::server_tls(&tls.certs, tls.client_ca_file.as_deref())?),
        None => None,
    };
    let out = trunkline_transport::client_tls(config.tls_out.ca_file.as_deref(), &config.tls_out.client_certs)?;
    let transport = trunkline_transport::Config {
        udp: at(config.sip_port),
        tcp: at(config.sip_port),
        tls: config.tls.as_ref().map(|tls| at(tls.port)).unwrap_or_default(),
        tls_server,
        tls_client: Some(out.anonymous),
        tls_identities: out.identities,
        ..Default::default()
    };
    let inbox = inbox.clone();
    let sink = move |incoming| match incoming {
        Incoming::Received(received) => inbox.offer(Input::Sip(Box::new(received))),
        Incoming::Closed(flow, why) => {
            inbox.put(Input::Closed(flow, why));
            true
        }
    };
    Ok(Transport::bind(transport, Arc::new(clock::now), Arc::new(sink)).await?)
}

fn start_media(config: &Config, inbox: &Inbox) -> Result<trunkline_media::Media, Error> {
    let inbox = inbox.clone();
    let media = trunkline_media::Config {
        threads: config.media_threads,
        ports: config.rtp_ports.clone(),
        rtc: SocketAddr::new(config.listen_ip, config.rtc_udp_port),
        rtc_tcp: config.rtc_tcp_port.map(|port| SocketAddr::new(config.listen_ip, port)),
        rtc_force_tcp: config.rtc_force_tcp,
        rtc_advertise: config.rtc_node_ip.into_iter().collect(),
        quality: trunkline_media::Quality { complexity: config.rtc_complexity, ..Default::default() },
        jitter: trunkline_media::Jitter::default(),
        clock: Arc::new(clock::now),
    };
    Ok(trunkline_media::Media::start(media, Arc::new(move |facts| inbox.tell(facts)))?)
}

async fn bind_http(config: &Config) -> Result<Vec<TcpListener>, Error> {
    let mut listeners = Vec::new();
    for ip in &config.bind_addresses {
        let address = SocketAddr::new(*ip, config.port);
        listeners.push(TcpListener::bind(address).await.map_err(|why| Error::Http { address, why })?);
    }
    Ok(listeners)
}

fn addresses(
    transport: &Transport,
    media: &trunkline_media::Media,
    listeners: &[TcpListener],
) -> Result<Addresses, Error> {
    let unspecified = SocketAddr::new(IpAddr::from([0, 0, 0, 0]), 0);
    let http = match listeners.first() {
        Some(listener) => listener.local_addr().map_err(|why| Error::Http { address: unspecified, why })?,
        None => unspecified,
    };
    let sip = transport.addresses();
    Ok(Addresses {
        http,
        sip_udp: sip.udp.first().copied(),
        sip_tcp: sip.tcp.first().copied(),
        sip_tls: sip.tls.first().copied(),
        rtc_udp: media.rtc().to_vec(),
        rtc_tcp: media.rtc_tcp(),
    })
}

fn build_exchange(config: &Config, loaded: Loaded) -> Result<Exchange, Error> {
    let routing = Settings {
        require_trunk: config.require_trunk,
        strangers: config.strangers,
        secret: loaded.secret,
        default_answer_policy: config.answer_policy,
        headers_on_200_to_bye: config.headers_on_200_to_bye,
        no_answer_status: config.no_answer_status,
        drain_ms: u32::try_from(config.last_words.as_millis()).unwrap_or(u32::MAX),
        ringing_timeout: config.ringing_timeout,
        max_call_duration: config.max_call_duration,
        inline_trunk_hosts: config.inline_trunk_hosts.clone(),
    };
    let mut directory = Directory::new(routing.clone());
    let (mut of_trunks, mut of_rules) = (Vec::new(), Vec::new());
    for (owner, options) in loaded.options {
        match owner {
            OptionsOwner::Trunk(id) => of_trunks.push((id, options)),
            OptionsOwner::Rule(id) => of_rules.push((id, options)),
        }
    }
    directory.load(loaded.inbound_trunks, loaded.outbound_trunks, loaded.rules, of_trunks, of_rules);
    let exchange = trunkline_exchange::Config {
        stack: StackConfig {
            server: concat!("Trunkline/", env!("CARGO_PKG_VERSION")).into(),
            advertise: config.advertise,
            trying_after: Duration::from_millis(200),
        },
        routing,
        rooms: trunkline_room::Defaults {
            empty_timeout: config.room.empty_timeout,
            departure_timeout: config.room.departure_timeout,
            auto_create: config.room.auto_create,
            voice_codec: config.room.audio_codec,
        },
        media_advertised: config.media_advertise.or(config.advertise),
        max_load: config.max_load,
        media_timeout_initial: config.media_timeout_initial,
        media_timeout: config.media_timeout,
    };
    Ok(Exchange::new(exchange, directory, Random::from_seed(system_seed().map_err(Error::Random)?)))
}

fn system_seed() -> std::io::Result<[u8; 32]> {
    use std::io::Read;
    let mut seed = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut seed)?;
    Ok(seed)
}

fn serve(listener: TcpListener, router: axum::Router) -> Task<()> {
    // Signalling is many small messages, none of which shall wait for an acknowledgement.
    let listener = listener.tap_io(|stream| {
        // Without it the connection is only slower.
        let _ = stream.set_nodelay(true);
    });
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!("HTTP is no longer served: {error}");
        }
    })
}
