//! Where the pages and the scheduler of a state folder are while `cofferdam dev` or `cofferdam serve` runs: what other
//! commands need to know of it, which cannot write beside it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use cofferdam_client::{PagesError, ask_pages};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::project::StateDir;

/// For one answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is where.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Sign {
    pub(crate) pages: SocketAddr,
    /// Of the scheduler, for commands as for those of a cluster; none if it does not encrypt, which they would have to
    /// be told.
    pub(crate) scheduler: Option<SocketAddr>,
}

/// A sign that is up, until it is dropped. It is locked: one that a kill has left is seen to be nobody's.
pub(crate) struct PutUp {
    path: PathBuf,
    _locked: File,
}

impl Sign {
    pub(crate) fn put_up(&self, state: &StateDir) -> Result<PutUp> {
        let path = state.sign();
        let doing = || format!("write {}", path.display());
        let opened = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&path);
        let mut file = opened.doing(Exit::Unreachable, doing())?;
        let text = serde_json::to_vec(self).expect("addresses can be written as JSON");
        file.write_all(&text).and_then(|()| file.lock()).doing(Exit::Unreachable, doing())?;
        Ok(PutUp { path, _locked: file })
    }

    /// The sign that is up, if there is one.
    pub(crate) fn read(state: &StateDir) -> Option<Sign> {
        let mut file = File::open(state.sign()).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {}
            _ => return None,
        }
        let mut text = String::new();
        file.read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }
}

impl Drop for PutUp {
    fn drop(&mut self) {
        // One that stays is nobody's as soon as this process has ended.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Asks for a change, whose field is named `done`. False if there are no pages to be asked.
pub(crate) async fn ask(state: &StateDir, (query, variables): (String, Value)) -> Result<bool> {
    let Some(Sign { pages, .. }) = Sign::read(state) else { return Ok(false) };
    let body = json!({ "query": query, "variables": variables });
    let token = std::fs::read_to_string(state.token()).ok();
    let token = token.as_deref().map(str::trim);
    let answer = match ask_pages(&pages.to_string(), token, &body, PATIENCE).await {
        Ok(answer) => answer,
        // They have ended a moment ago.
        Err(PagesError::Nobody(_)) => return Ok(false),
        Err(error) => return Err(error).doing(Exit::Unreachable, format!("ask the pages at {pages}")),
    };
    if let Some(message) = answer["data"]["done"]["message"].as_str() {
        return Err(Failed::invalid(message));
    }
    if let Some(error) = answer["errors"][0]["message"].as_str() {
        return Err(Failed::new(Exit::Internal, format!("the pages at {pages} refuse: {error}"))
            .hint("they may be of another version of cofferdam: end what serves them and start it anew"));
    }
    Ok(true)
}
