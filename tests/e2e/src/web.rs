//! Pages, asked as they are by a browser: over one socket, by the protocol graphql-transport-ws.

use serde_json::{Value, json};
use std::net::TcpStream;
use tungstenite::client::{IntoClientRequest as _, client};
use tungstenite::http::HeaderValue;
use tungstenite::{Message, WebSocket};

use crate::Project;
use crate::ask::PATIENCE;
use crate::cluster::Process;

const PROTOCOL: &str = "graphql-transport-ws";

/// Of a process that ends when this is dropped, if it is this one's.
pub struct Pages {
    pub process: Option<Process>,
    pub address: String,
    /// What is shown to them.
    pub token: Option<String>,
}

impl Pages {
    /// Those of `cofferdam dev`.
    pub fn of(project: &Project) -> Pages {
        let process = Process::start_as_is(&mut project.command(["dev", "--listen", "127.0.0.1:0"]));
        let line = process.wait_for("pages   ");
        let address = line.split("http://").nth(1).expect("an address").trim().to_owned();
        Pages { process: Some(process), address, token: None }
    }

    /// With its definitions read.
    pub fn loaded(project: &Project) -> Pages {
        let pages = Pages::of(project);
        let query = "{ workspaceOrError { ... on Workspace { locationEntries { loadStatus } } } }";
        let status =
            || pages.ask(query, json!({}))["workspaceOrError"]["locationEntries"][0]["loadStatus"].clone();
        crate::ask::until("the definitions are read", || status() == "LOADED");
        pages
    }

    pub fn socket(&self) -> Socket {
        let mut request =
            format!("ws://{}/graphql/ws", self.address).into_client_request().expect("an address");
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(PROTOCOL));
        if let Some(token) = &self.token {
            let value = format!("Bearer {token}").parse().expect("a token is made of plain characters");
            request.headers_mut().insert("authorization", value);
        }
        let stream = TcpStream::connect(&self.address).expect("the pages listen");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        let (inner, _) = client(request, stream).expect("they speak that protocol");
        let mut socket = Socket { inner };
        socket.send(&json!({ "type": "connection_init" }));
        assert_eq!(socket.message()["type"], "connection_ack");
        socket
    }

    /// The answer to one question; it must be one.
    pub fn ask(&self, query: &str, variables: Value) -> Value {
        let mut socket = self.socket();
        socket.follow(query, variables);
        socket.next_data().expect("one answer")
    }
}

/// A connection with questions under way; one, other than where they have names.
pub struct Socket {
    inner: WebSocket<TcpStream>,
}

impl Socket {
    fn send(&mut self, message: &Value) {
        self.send_text(message.to_string());
    }

    /// Says anything.
    pub fn send_text(&mut self, text: String) {
        self.inner.send(Message::text(text)).expect("it can be sent");
    }

    /// Waits until it is cut from the other side.
    pub fn until_cut(mut self) {
        while let Ok(message) = self.inner.read() {
            assert!(!matches!(message, Message::Text(_)), "nothing more is told: {message:?}");
        }
    }

    /// The message that comes next.
    pub fn message(&mut self) -> Value {
        loop {
            match self.inner.read().expect("the pages answer") {
                Message::Text(text) => return serde_json::from_str(&text).expect("they send JSON"),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("what is {other:?}?"),
            }
        }
    }

    /// The same; none if the pages end it instead.
    pub fn message_if_any(&mut self) -> Option<Value> {
        loop {
            match self.inner.read() {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).expect("they send JSON")),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(_) | Err(_) => return None,
            }
        }
    }

    pub fn follow(&mut self, query: &str, variables: Value) {
        self.follow_as("1", query, variables);
    }

    /// One of several questions.
    pub fn follow_as(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({ "query": query, "variables": variables });
        self.send(&json!({ "id": id, "type": "subscribe", "payload": payload }));
    }

    /// Asks no more.
    pub fn end(&mut self, id: &str) {
        self.send(&json!({ "id": id, "type": "complete" }));
    }

    /// What comes next; none at the end.
    pub fn next_data(&mut self) -> Option<Value> {
        let message = self.message();
        match message["type"].as_str() {
            Some("next") => {
                assert!(message["payload"]["errors"].is_null(), "{message:#}");
                Some(message["payload"]["data"].clone())
            }
            Some("complete") => None,
            _ => panic!("{message:#}"),
        }
    }
}
