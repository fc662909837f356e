//! Webhooks as LiveKit sends them: protobuf JSON of `WebhookEvent`, with a token that holds the
//! body's SHA-256.
//!
//! The events of our own (`sip_call_…`) carry the call under the extra key `call`, written as
//! `trunkline.Calls` writes it; LiveKit's receivers skip keys they do not know.
//!
//! Each URL has a few lanes. A room's events take one lane, one after the other, so they arrive in
//! order; a lane is bounded, and what does not fit is dropped, counted and logged.

use crate::{
    control::Clock,
    convert,
    token::{Claims, Keys, mint},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use livekit_protocol as proto;
use reqwest::{Client, StatusCode, Url, header, redirect};
use sha2::{Digest, Sha256};
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::mpsc, task::JoinHandle};
use trunkline_exchange::port::Webhook;
use trunkline_types::Random;

/// Lanes per URL, and events that may wait in each.
const LANES: usize = 8;
const LANE_EVENTS: usize = 512;
/// How often an event is tried, and how long before the first repetition; then twice as long.
const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// One try, from connecting to the answer.
const TRY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the token of a webhook is good (LiveKit's value).
const TOKEN_TTL: Duration = Duration::from_secs(300);

/// Where webhooks go and who signs them.
#[derive(Clone, Debug, Default)]
pub struct WebhookConfig {
    /// The API key whose secret signs; must be one of the server's.
    pub api_key: String,
    /// The receivers, `http` or `https`.
    pub urls: Vec<String>,
}

/// Why webhooks cannot be sent at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// `webhook.api_key` has no secret.
    #[error("webhook.api_key {0:?} is not one of the configured keys")]
    UnknownKey(String),
    /// A URL cannot be posted to.
    #[error("webhook.urls: {0:?} is not an http or https URL")]
    Url(String),
    /// The HTTP client could not be made.
    #[error("the webhook client could not be started: {0}")]
    Client(String),
}

/// What became of the webhooks so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WebhookCounts {
    /// Accepted by the receiver.
    pub sent: u64,
    /// Given up after the last try, or refused by the receiver.
    pub failed: u64,
    /// Dropped because the lane was full.
    pub dropped: u64,
}

/// The senders. Dropping it lets what is queued go out in the background.
pub struct Webhooks {
    /// Per URL its lanes.
    receivers: Vec<Vec<mpsc::Sender<Arc<Event>>>>,
    tasks: Vec<JoinHandle<()>>,
    ids: Mutex<Random>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl Counts {
    fn read(&self) -> WebhookCounts {
        WebhookCounts {
            sent: self.sent.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
        }
    }
}

/// An event with its id, which is the same for every receiver and every try.
struct Event {
    id: String,
    webhook: Webhook,
}

/// What a lane sends with.
#[derive(Clone)]
struct Sender {
    client: Client,
    url: Url,
    api_key: Arc<str>,
    secret: Arc<str>,
    now: Clock,
    counts: Arc<Counts>,
}

/// A URL that webhooks can be posted to.
///
/// # Errors
/// It is none.
pub fn webhook_url(text: &str) -> Result<Url, WebhookError> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.ok_or_else(|| WebhookError::Url(text.to_owned()))
}

impl Webhooks {
    /// Starts the lanes of every URL as tasks of the current tokio runtime.
    ///
    /// # Errors
    /// A key without a secret or a URL that cannot be posted to. Without URLs nothing is checked.
    pub fn start(config: WebhookConfig, keys: &Keys, now: Clock) -> Result<Self, WebhookError> {
        let seed = now().unix_nanos();
        let counts = Arc::new(Counts::default());
        let mut receivers = Vec::with_capacity(config.urls.len());
        let mut tasks = Vec::new();
        for text in &config.urls {
            let secret = keys.secret(&config.api_key).ok_or(WebhookError::UnknownKey(config.api_key.clone()))?;
            let url = webhook_url(text)?;
            let sender = Sender {
                client: client(&url)?,
                url,
                api_key: config.api_key.as_str().into(),
                secret: secret.into(),
                now: now.clone(),
                counts: counts.clone(),
            };
            let mut lanes = Vec::with_capacity(LANES);
            for _ in 0..LANES {
                let (lane, events) = mpsc::channel(LANE_EVENTS);
                lanes.push(lane);
                tasks.push(tokio::spawn(sender.clone().run(events)));
            }
            receivers.push(lanes);
        }
        let ids = Mutex::new(Random::from_number(seed.unsigned_abs()));
        Ok(Self { receivers, tasks, ids, counts })
    }

    /// Queues an event for every URL. Never blocks: a full lane drops it.
    pub fn notify(&self, webhook: Webhook) {
        if self.receivers.is_empty() {
            return;
        }
        let id = self.ids.lock().unwrap_or_else(PoisonError::into_inner).id("EV_");
        let lane = lane(&webhook);
        let event = Arc::new(Event { id, webhook });
        for lanes in &self.receivers {
            let queued = lanes.get(lane).is_some_and(|lane| lane.try_send(event.clone()).is_ok());
            if !queued {
                self.counts.dropped.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(event = event.webhook.event, id = event.id, "webhook dropped: the queue is full");
            }
        }
    }

    /// What became of the webhooks so far.
    pub fn counts(&self) -> WebhookCounts {
        self.counts.read()
    }

    /// What reads the counters, also for who must not keep the senders.
    pub fn counting(&self) -> impl Fn() -> WebhookCounts + Send + Sync + use<> {
        let counts = self.counts.clone();
        move || counts.read()
    }

    /// Waits at most `within` until everything queued is sent or given up.
    pub async fn close(self, within: Duration) {
        let Self { receivers, tasks, .. } = self;
        drop(receivers);
        let all_done = async {
            for task in tasks {
                // A lane that panicked has nothing left to send.
                let _ = task.await;
            }
        };
        if tokio::time::timeout(within, all_done).await.is_err() {
            tracing::warn!("webhooks were still queued when the server stopped");
        }
    }
}

/// Redirects are not followed: the signed body goes where the configuration says. A receiver on
/// this machine is never asked for through a proxy.
fn client(url: &Url) -> Result<Client, WebhookError> {
    let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let builder = Client::builder().timeout(TRY_TIMEOUT).redirect(redirect::Policy::none());
    let builder = if local { builder.no_proxy() } else { builder };
    builder.build().map_err(|error| WebhookError::Client(error.to_string()))
}

/// The lane of the event's room.
fn lane(webhook: &Webhook) -> usize {
    let mut hasher = DefaultHasher::new();
    match (&webhook.room, &webhook.call) {
        (Some(room), _) => room.name.hash(&mut hasher),
        (None, Some(call)) => call.room_name.hash(&mut hasher),
        (None, None) => {}
    }
    usize::try_from(hasher.finish() % LANES as u64).unwrap_or(0)
}

/// The body: `WebhookEvent` as protobuf JSON in camelCase, as LiveKit sends it.
fn body(event: &Event) -> Result<Vec<u8>, serde_json::Error> {
    let Event { id, webhook } = event;
    let (mut room, mut participant) =
        (webhook.room.as_ref().map(convert::room), webhook.participant.as_ref().map(convert::participant));
    if webhook.track.is_some() {
        // LiveKit's events of tracks name the room and the participant and say no more of them.
        room = room.map(|room| proto::Room { sid: room.sid, name: room.name, ..Default::default() });
        participant = participant.map(|participant| proto::ParticipantInfo {
            sid: participant.sid,
            identity: participant.identity,
            ..Default::default()
        });
    }
    let message = proto::WebhookEvent {
        event: webhook.event.to_owned(),
        id: id.clone(),
        created_at: webhook.at.unix_seconds(),
        room,
        participant,
        track: webhook.track.as_ref().map(convert::track),
        job: webhook.job.as_deref().map(convert::job),
        ..Default::default()
    };
    let mut value = serde_json::to_value(&message)?;
    if let (Some(object), Some(call)) = (value.as_object_mut(), &webhook.call) {
        object.insert("call".to_owned(), serde_json::to_value(call)?);
    }
    serde_json::to_vec(&value)
}

impl Sender {
    async fn run(self, mut events: mpsc::Receiver<Arc<Event>>) {
        while let Some(event) = events.recv().await {
            let done = match body(&event) {
                Ok(body) => self.deliver(&event, body).await,
                Err(error) => {
                    tracing::error!(event = event.webhook.event, %error, "webhook could not be written");
                    false
                }
            };
            let count = if done { &self.counts.sent } else { &self.counts.failed };
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Tries until the receiver takes it, refuses it for good, or the tries are used up.
    async fn deliver(&self, event: &Event, body: Vec<u8>) -> bool {
        let sha256 = STANDARD.encode(Sha256::digest(&body));
        let body = bytes::Bytes::from(body);
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=TRIES {
            // The URL may hold a secret, so errors are logged without it.
            let problem = match self.post(body.clone(), &sha256).await {
                Ok(status) if status.is_success() => return true,
                Ok(status) => {
                    if !worth_retrying(status) {
                        tracing::warn!(event = event.webhook.event, id = event.id, %status, "webhook refused");
                        return false;
                    }
                    status.to_string()
                }
                Err(problem) => problem,
            };
            tracing::debug!(event = event.webhook.event, id = event.id, attempt, problem, "webhook not delivered");
            if attempt < TRIES {
                tokio::time::sleep(pause).await;
                pause = pause.saturating_mul(2);
            } else {
                tracing::warn!(event = event.webhook.event, id = event.id, problem, "webhook given up");
            }
        }
        false
    }

    async fn post(&self, body: bytes::Bytes, sha256: &str) -> Result<StatusCode, String> {
        let claims = Claims { sha256: sha256.to_owned(), ..Claims::default() };
        let token = mint(&self.api_key, &self.secret, &claims, TOKEN_TTL, (self.now)()).map_err(|e| e.to_string())?;
        let request = self
            .client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/webhook+json")
            .header(header::AUTHORIZATION, token)
            .body(body);
        match request.send().await {
            Ok(response) => Ok(response.status()),
            Err(error) => Err(error.without_url().to_string()),
        }
    }
}

/// Whether the receiver may take the same event later.
fn worth_retrying(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::REQUEST_TIMEOUT
}
