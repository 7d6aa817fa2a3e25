//! The GraphQL schema: names as Dagster has them where it has the thing (SEMANTICS.md, section 17). Times are seconds since
//! 1970 in UTC with fractions, durations seconds.

mod assets;
mod automation;
mod convert;
mod errors;
mod events;
mod instigators;
mod job;
mod launch;
mod limits;
mod mutation;
mod query;
mod run;
mod subscription;
mod visitor;
mod worker;
mod workspace;

use std::sync::Arc;

use async_graphql::{Data, MergedObject, Schema};
use async_graphql_axum::{GraphQLProtocol, GraphQLWebSocket};
use axum::Extension;
use axum::extract::ws::{Message, Utf8Bytes};
use axum::extract::{State, WebSocketUpgrade};
use axum::response::Response;
use cofferdam_model::Timestamp;
use futures::{StreamExt as _, TryStreamExt as _};

use crate::connections::Place;
use crate::session::Asks;
use crate::{Parts, Shared, json};
use assets::AssetQuery;
use automation::{AutomationMutation, AutomationQuery};
use limits::{Limits, Questions};
use mutation::RunMutation;
use query::RunQuery;
use subscription::Subscription;

#[derive(MergedObject, Default)]
pub(crate) struct Query(RunQuery, AssetQuery, AutomationQuery);

#[derive(MergedObject, Default)]
pub(crate) struct Mutation(RunMutation, AutomationMutation);

pub(crate) type Api = Schema<Query, Mutation, Subscription>;

/// Fields within fields of one request; our deepest page has 8.
const DEPTH_MAX: usize = 12;
/// Fields of one request in all.
const COMPLEXITY_MAX: usize = 1000;
/// Directives of one field.
const DIRECTIVES_MAX: usize = 8;
/// Bytes of one message over a socket: questions, never answers.
const SOCKET_MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// Questions that are under way over one socket; a page has some 5.
const SOCKET_QUESTIONS_MAX: usize = 50;

/// What resolvers work with.
pub(crate) struct Instance {
    pub(crate) parts: Parts,
    pub(crate) started_at: Timestamp,
}

pub(crate) fn build(parts: Parts, started_at: Timestamp) -> Api {
    builder().data(Instance { parts, started_at }).finish()
}

pub(crate) fn text() -> String {
    builder().finish().sdl()
}

fn builder() -> async_graphql::SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query::default(), Mutation::default(), Subscription)
        .register_output_type::<errors::Error>()
        .limit_depth(DEPTH_MAX)
        .limit_complexity(COMPLEXITY_MAX)
        .limit_directives(DIRECTIVES_MAX)
        // Who guesses names learns nothing by it.
        .disable_suggestions()
        .extension(Limits)
}

/// One that readers of JSON may differ on becomes one that is none: the connection ends with it.
fn clear(message: Message) -> Message {
    match message {
        Message::Text(text) if !json::is_clear(&text) => Message::Text(Utf8Bytes::default()),
        message => message,
    }
}

/// Subscriptions, by the protocol graphql-transport-ws. The socket is cut when who asked would not be let in any more.
pub(crate) async fn socket(
    State(shared): State<Arc<Shared>>,
    Extension(asks): Extension<Asks>,
    Extension(place): Extension<Place>,
    protocol: GraphQLProtocol,
    upgrade: WebSocketUpgrade,
) -> Response {
    let upgrade = upgrade.max_message_size(SOCKET_MESSAGE_BYTES_MAX).max_frame_size(SOCKET_MESSAGE_BYTES_MAX);
    upgrade.protocols(async_graphql::http::ALL_WEBSOCKET_PROTOCOLS).on_upgrade(move |stream| async move {
        let (sink, messages) = stream.split();
        let messages = messages.map_ok(clear);
        let end = asks.clone();
        let mut data = Data::default();
        data.insert(asks);
        data.insert(Questions::of_a_socket(SOCKET_QUESTIONS_MAX));
        tokio::select! {
            () = GraphQLWebSocket::new_with_pair(sink, messages, shared.api.clone(), protocol).with_data(data).serve() => {}
            () = end.end() => {}
        }
        drop(place);
    })
}
