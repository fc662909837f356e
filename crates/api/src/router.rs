//! The HTTP server's routes, and what a Twirp request goes through before its service sees it.

use crate::{
    agent, bearer,
    control::{Clock, Control},
    cors, metrics,
    outboxes::{Signals, Workers},
    rtc,
    service::{Context, dispatch},
    token::{Claims, Keys, verify},
    twirp::{ErrorCode, Format, TwirpError},
};
use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRequest, Path, Request, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use bytes::Bytes;
use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};
use trunkline_exchange::{
    RETRY_AFTER,
    command::{Command, Reply},
};
use trunkline_types::Random;

/// What the router needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// API keys and secrets.
    pub keys: Keys,
    /// The largest body, in bytes; beyond it 413.
    pub body_limit: usize,
    /// The label `node_id` of the metrics; `server_info.node_id` of signalling.
    pub node_id: String,
    /// Whether a join creates its room.
    pub auto_create: bool,
}

/// What every handler works with.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) control: Arc<dyn Control>,
    pub(crate) signals: Signals,
    pub(crate) workers: Workers,
    /// Marks frames that the server puts into encrypted tracks; the same for all who hear them.
    pub(crate) sif_trailer: [u8; 16],
    pub(crate) now: Clock,
}

/// The HTTP server: `/`, `/healthz`, `/readyz`, `/metrics`, `/rtc…`, `/agent` and `/twirp/…`. What the
/// exchange tells clients has to be put into `signals`, what it tells workers into `workers`.
pub fn router(config: Config, control: Arc<dyn Control>, signals: Signals, workers: Workers, now: Clock) -> Router {
    let app = Arc::new(App { config, control, signals, workers, sif_trailer: sif_trailer(), now });
    let routes = Router::new()
        .route("/", get(async || "OK"))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_page))
        .route("/rtc", any(rtc::dual))
        .route("/rtc/v1", any(rtc::single))
        .route("/rtc/validate", get(rtc::validate_dual))
        .route("/rtc/v1/validate", get(rtc::validate_single))
        .route("/agent", any(agent::open))
        .route("/twirp/{service}/{method}", any(twirp))
        .fallback(unknown)
        .with_state(app);
    // Routing happens inside, once the path has been put right.
    Router::new()
        .fallback_service(routes)
        .layer(middleware::from_fn(single_slash))
        .layer(middleware::from_fn(cors::layer))
}

/// Unguessable enough to tell frames apart; the standard library seeds its hash from the system.
fn sif_trailer() -> [u8; 16] {
    Random::from_number(RandomState::new().hash_one(0)).bytes()
}

async fn healthz(State(app): State<Arc<App>>) -> (StatusCode, &'static str) {
    if app.control.ready() { (StatusCode::OK, "OK") } else { (StatusCode::SERVICE_UNAVAILABLE, "NOT READY") }
}

/// Whether the next call should come here: not while the server drains, has no room for it, or does
/// not answer.
async fn readyz(State(app): State<Arc<App>>) -> Response {
    let refused = |why: &'static str| {
        (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, RETRY_AFTER)], why).into_response()
    };
    match app.control.ask(Command::Gauges).await {
        _ if !app.control.ready() => refused("DRAINING"),
        Ok(Reply::Gauges(gauges)) if gauges.media_full => refused("FULL"),
        Ok(Reply::Gauges(_)) => "OK".into_response(),
        _ => refused("NO ANSWER"),
    }
}

async fn metrics_page(State(app): State<Arc<App>>) -> Response {
    match app.control.ask(Command::Gauges).await {
        Ok(Reply::Gauges(gauges)) => {
            let page = metrics::page(&gauges, &app.control.counts(), app.control.ready(), &app.config.node_id);
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page).into_response()
        }
        _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn unknown(uri: Uri) -> Response {
    if uri.path().starts_with("/twirp/") {
        TwirpError::bad_route(uri.path()).into_response()
    } else {
        (StatusCode::NOT_FOUND, "not found").into_response()
    }
}

/// Users write `ws://host:7880/` and clients append `/twirp/…`: leading slashes are one.
async fn single_slash(mut request: Request, next: Next) -> Response {
    let whole = request.uri().path_and_query().map_or("/", |path| path.as_str());
    if whole.starts_with("//") {
        let single = format!("/{}", whole.trim_start_matches('/'));
        match Uri::try_from(single) {
            Ok(uri) => *request.uri_mut() = uri,
            Err(_) => return StatusCode::BAD_REQUEST.into_response(),
        }
    }
    next.run(request).await
}

async fn twirp(
    State(app): State<Arc<App>>,
    Path((service, method)): Path<(String, String)>,
    request: Request,
) -> Response {
    match handle(&app, &service, &method, request).await {
        Ok(response) => response,
        Err(error) => {
            tracing::debug!(service, method, error = error.code(), "request refused");
            error.into_response()
        }
    }
}

async fn handle(app: &App, service: &str, method: &str, mut request: Request) -> Result<Response, TwirpError> {
    let path = request.uri().path().to_owned();
    if request.method() != Method::POST {
        return Err(TwirpError::new(ErrorCode::BadRoute, format!("{} is not supported, only POST", request.method())));
    }
    let claims = authenticate(app, request.headers(), request.uri().query())?;
    let format = Format::of(request.headers())?;
    let deadline = deadline(request.headers());

    DefaultBodyLimit::max(app.config.body_limit).apply(&mut request);
    let body = Bytes::from_request(request, &()).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => TwirpError::too_large(app.config.body_limit),
        _ => TwirpError::new(ErrorCode::Malformed, "the body could not be read"),
    })?;

    let context = Context { control: app.control.as_ref(), claims, format, body };
    let answered = dispatch(&context, service, method);
    let answered = match deadline {
        None => answered.await,
        Some(deadline) => tokio::time::timeout(deadline, answered).await.map_err(|_| {
            TwirpError::new(ErrorCode::DeadlineExceeded, "X-Twirp-Timeout-Ms passed before the request was answered")
        })?,
    };
    answered.unwrap_or_else(|| Err(TwirpError::bad_route(&path)))
}

/// The client's deadline, if it sent one (`X-Twirp-Timeout-Ms`, as Go clients do).
fn deadline(headers: &HeaderMap) -> Option<Duration> {
    let millis = headers.get("x-twirp-timeout-ms")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_millis(millis))
}

/// The claims of the token, if there is one: from the header, or without that header from the query.
fn authenticate(app: &App, headers: &HeaderMap, query: Option<&str>) -> Result<Option<Claims>, TwirpError> {
    let token = bearer::token(headers, query).map_err(|text| TwirpError::new(ErrorCode::Unauthenticated, text))?;
    let Some(token) = token else { return Ok(None) };
    verify(&token, &app.config.keys, (app.now)())
        .map(Some)
        .map_err(|error| TwirpError::new(ErrorCode::Unauthenticated, error.to_string()))
}
