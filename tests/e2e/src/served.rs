//! A cluster with code locations and pages, and who asks these with a token.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::ask::until;
use crate::cluster::{Cluster, Process};
use crate::web::Pages;
use crate::{Ended, Project, guest};

/// `first` and `second` have the same names, but greet others.
fn definitions(greeted: &str) -> String {
    format!(
        r#"
[libraries.text]
wasm = "lib/text.wasm"

[jobs.hello]
description = "Greets {greeted}."

[jobs.hello.steps.greet]
op = "text.greet"
config = {{ name = "{greeted}" }}

[schedules.nightly]
job = "hello"
cron = "30 2 * * *"
"#
    )
}

const WORKSPACE: &str = r#"
[locations.first]
folder = "first"

[locations.second]
folder = "second"

[locations.third]
folder = "third"
"#;

pub struct Served {
    /// The folder with `workspace.toml` and, below it, those of the code locations.
    pub folder: Project,
    pub cluster: Cluster,
    /// As who has the cluster's own token.
    pub pages: Pages,
}

impl Served {
    /// `first` and `second` are as they should be, the definitions of `third` are wrong.
    pub fn start() -> Served {
        let folder = Project::with("", &[]);
        for (name, greeted) in [("first", "Ada"), ("second", "Grace")] {
            Served::location(&folder, name, &definitions(greeted));
        }
        Served::location(&folder, "third", "[jobs.hello.steps.greet]\nop = \"text.greet\"\n");
        folder.write("workspace.toml", WORKSPACE);
        Served::over(folder, "")
    }

    /// Over any workspace, with settings of the instance; waits until all of it is read.
    pub fn over(folder: Project, settings: &str) -> Served {
        let file = folder.path().join("workspace.toml").display().to_string();
        let more = ["--workspace", &file, "--pages", "127.0.0.1:0"];
        let (cluster, serving) = Cluster::start_serving(settings, &more);
        let pages = Served::pages(&cluster, serving);
        let served = Served { folder, cluster, pages };
        until("all locations are read", || {
            served.statuses(&served.pages).iter().all(|(_, status)| status != "LOADING")
        });
        served
    }

    /// Of a scheduler that is about to serve them.
    pub fn pages(cluster: &Cluster, serving: Process) -> Pages {
        let line = serving.wait_for("pages at http://");
        let address = line.split("http://").nth(1).expect("an address").trim().to_owned();
        let token = std::fs::read_to_string(cluster.token_file()).expect("it can be read");
        Pages { process: Some(serving), address, token: Some(token.trim().to_owned()) }
    }

    /// A project in that folder, with the guest `text`.
    pub fn location(folder: &Project, name: &str, definitions: &str) {
        folder.write(&format!("{name}/cofferdam.toml"), definitions);
        let component = std::fs::read(guest("text")).expect("the guest can be read");
        folder.write(&format!("{name}/lib/text.wasm"), component);
    }

    /// How each code location is, by name.
    pub fn statuses(&self, pages: &Pages) -> Vec<(String, String)> {
        let query = "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus } } } }";
        let found = pages.ask(query, json!({}));
        let entries = found["workspaceOrError"]["locationEntries"].as_array().expect("a list").iter();
        let text = |of: &Value| of.as_str().expect("a text").to_owned();
        entries.map(|entry| (text(&entry["name"]), text(&entry["loadStatus"]))).collect()
    }

    /// A command where the state is.
    pub fn here(&self, args: &[&str]) -> Ended {
        let mut command = self.folder.command(args);
        command.arg("--state-dir").arg(self.cluster.state());
        command.output().expect("the program can be started").into()
    }

    /// A new token.
    pub fn token(&self, name: &str, more: &[&str]) -> String {
        let made = self.here(&[&["token", "create", name], more].concat()).expect(0);
        made.stdout.trim().to_owned()
    }

    /// The same pages, for who carries this token.
    pub fn as_who_has(&self, token: &str) -> Pages {
        Pages { process: None, address: self.pages.address.clone(), token: Some(token.to_owned()) }
    }
}

/// Head and body of the answer to a request with these headers.
pub fn http(address: &str, what: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout can be set");
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.as_ref().len();
    write!(
        stream,
        "{what} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    )
    .and_then(|()| stream.write_all(body.as_ref()))
    .expect("it can be sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("the answer is text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    (head.to_owned(), body.to_owned())
}
