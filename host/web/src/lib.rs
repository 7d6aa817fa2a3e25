//! The web's face of an instance: GraphQL over run log and scheduler, live updates, and the built pages. What definitions
//! mean is the business of who gives it a [`Workspace`], what a run does next the scheduler's.

mod connections;
mod guard;
mod json;
mod pages;
mod schema;
mod session;
mod values;
mod workspace;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_graphql_axum::GraphQLResponse;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use cofferdam_daemon::Daemon;
use cofferdam_io::Stores;
use cofferdam_runlog::RunLog;
use cofferdam_scheduler::{Retries, Scheduler, system_time};
use cofferdam_server::PagesGate;
use tokio::net::TcpListener;

pub use guard::PublicUrl;
pub use workspace::{
    Again, AssetFacts, AssetName, AssetPartition, AssetState, Built, Cause, JobFacts, JobName, Launch,
    LibraryFacts, LoadState, Location, Outline, Planned, Problem, ProblemPlace, Refused, Root, Scaffold, Why,
    Workspace,
};

use schema::Api;

/// Bytes of one request: a run config is at most one MiB of text, and JSON escapes some of it.
const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Characters of what is wrong with it that are told: that may name what was sent.
const WHY_CHARS: usize = 200;
/// How long a caller may take to send it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// What the pages are over.
#[derive(Clone)]
pub struct Parts {
    pub scheduler: Arc<Scheduler>,
    /// Told of each run that is submitted here.
    pub retries: Retries,
    pub log: Arc<dyn RunLog>,
    pub stores: Stores,
    pub workspace: Arc<dyn Workspace>,
    /// Asks its schedules and sensors.
    pub daemon: Daemon,
    /// Lets in who carries a token. None takes everybody who reaches this host, which only its own programs may.
    pub gate: Option<PagesGate>,
    /// The address by which people reach a proxy before the pages.
    pub url: Option<PublicUrl>,
    /// What people call the instance.
    pub name: String,
    pub state_dir: String,
}

/// The web side of an instance, listening.
pub struct Web {
    listener: TcpListener,
    address: SocketAddr,
    app: Router,
}

/// What every request may use.
pub(crate) struct Shared {
    pub(crate) parts: Parts,
    pub(crate) api: Api,
    /// What a caller may call this host.
    pub(crate) hosts: guard::Hosts,
    /// Name of the cookie with a token.
    pub(crate) cookie: String,
}

impl Web {
    /// Listens; port 0 takes a free one.
    pub async fn bind(address: SocketAddr, parts: Parts) -> std::io::Result<Web> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let started_at = system_time();
        let api = schema::build(parts.clone(), started_at);
        let hosts = guard::Hosts::of(address, parts.url.clone());
        let cookie = session::cookie_name(&hosts, address.port());
        let shared = Arc::new(Shared { parts, api, hosts, cookie });
        let app = Router::new()
            .route("/graphql", post(graphql))
            .route("/graphql/ws", get(schema::socket))
            .route("/values/{run}/{step}/{output}", get(values::download))
            .route_layer(from_fn_with_state(shared.clone(), session::let_in))
            .route("/session", post(session::sign_in).delete(session::sign_out))
            .fallback(pages::page)
            .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
            .layer(from_fn_with_state(shared.clone(), guard::guard))
            .with_state(shared);
        Ok(Web { listener, address, app })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the returned future is dropped, which cuts off what is under way.
    pub async fn serve(self) -> Infallible {
        connections::serve(self.listener, self.app).await
    }
}

/// The schema as text, as it is committed beside the crate.
pub fn schema_text() -> String {
    schema::text()
}

async fn graphql(
    State(shared): State<Arc<Shared>>,
    Extension(asks): Extension<session::Asks>,
    request: Request,
) -> Response {
    // Not by the extractor of async-graphql-axum: that reads a body of any length.
    let body = match tokio::time::timeout(REQUEST_TIMEOUT, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => body,
        Ok(Err(refused)) => return refused.into_response(),
        Err(_) => {
            let why = "the request did not come to its end in time\n";
            return (StatusCode::REQUEST_TIMEOUT, why).into_response();
        }
    };
    match json::read::<async_graphql::Request>(&body) {
        Ok(request) => GraphQLResponse::from(shared.api.execute(request.data(asks)).await).into_response(),
        Err(error) => {
            let why = error.to_string();
            (StatusCode::BAD_REQUEST, format!("send a question of GraphQL as JSON: {why:.WHY_CHARS$}\n"))
                .into_response()
        }
    }
}
