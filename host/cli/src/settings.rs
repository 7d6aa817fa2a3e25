//! The settings of an instance, and the run log that they name.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cofferdam_config::{
    AlertSettings, Held, InstanceSettings, NamespaceSettings, RunLogSettings, Texts, read_instance,
};
use cofferdam_model::{Grant, Signers};
use cofferdam_runlog::{Error, Postgres, RunLog, Sqlite};
use cofferdam_scheduler::Quotas;

use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::pages::Sign;
use crate::project::{StateDir, read_text, shown, warn_of};

/// How long a database may be away before whoever writes to it gives up: long enough for a restart, or for another
/// server to take over.
const DATABASE_PATIENCE: Duration = Duration::from_secs(120);
/// How often a scheduler that waits for the one in office looks whether it has gone.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where the run log is.
enum Place {
    Sqlite(PathBuf),
    Postgres(String),
}

/// The run log, for reading; none if nothing was ever run here.
pub(crate) async fn read_if_any(state: &StateDir) -> Result<Option<Arc<dyn RunLog>>> {
    match place(state)? {
        Place::Sqlite(path) if !path.exists() => Ok(None),
        Place::Sqlite(path) => open(Sqlite::open_read_only(&path)).map(Some),
        Place::Postgres(url) => match Postgres::open_read_only(&url).await {
            Err(Error::Missing { .. }) => Ok(None),
            opened => open(opened).map(Some),
        },
    }
}

/// The run log, for reading.
pub(crate) async fn read(state: &StateDir) -> Result<Arc<dyn RunLog>> {
    match place(state)? {
        Place::Sqlite(path) => open(Sqlite::open_read_only(&path)),
        Place::Postgres(url) => open(Postgres::open_read_only(&url).await),
    }
}

/// The run log, for writing, which no second process may do at the same time.
pub(crate) async fn write(state: &StateDir) -> Result<Arc<dyn RunLog>> {
    let opened = match place(state)? {
        Place::Sqlite(path) => Sqlite::open(&path).map(|log| Arc::new(log) as Arc<dyn RunLog>),
        Place::Postgres(url) => {
            Postgres::open(&url, DATABASE_PATIENCE).await.map(|log| Arc::new(log) as Arc<dyn RunLog>)
        }
    };
    let sign = matches!(&opened, Err(Error::InUse { .. })).then(|| Sign::read(state)).flatten();
    let opened = opened.doing(Exit::Unreachable, "open the run log");
    opened.map_err(|failed| match sign {
        Some(Sign { pages, .. }) => {
            failed.hint(format!("who serves the pages at http://{pages} has it: end that first"))
        }
        None => failed,
    })
}

/// The same for a scheduler: in a database it waits until the one in office has gone, and says so.
pub(crate) async fn take_over(state: &StateDir, say: impl FnOnce()) -> Result<Arc<dyn RunLog>> {
    let Place::Postgres(url) = place(state)? else { return write(state).await };
    let mut say = Some(say);
    loop {
        match Postgres::open(&url, DATABASE_PATIENCE).await {
            Err(Error::InUse { .. }) => {
                if let Some(say) = say.take() {
                    say();
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
            opened => return open(opened),
        }
    }
}

/// What is limited for all runs together.
pub(crate) fn quotas(state: &StateDir) -> Result<Quotas> {
    let InstanceSettings { run_queue, pools, namespaces, .. } = read_settings(state, &state.settings())?;
    let NamespaceSettings { weights, limits, isolation, quotas } = namespaces;
    let (pools, pool_default) = (pools.limits, pools.default_limit);
    Ok(Quotas { pools, pool_default, weights, namespaces: limits, isolation, quotas, runs: run_queue })
}

/// What runs may have beside their own values.
pub(crate) fn grants(state: &StateDir) -> Result<Vec<Grant>> {
    Ok(read_settings(state, &state.settings())?.grants)
}

/// Who must have signed the libraries of runs.
pub(crate) fn signers(state: &StateDir) -> Result<Vec<Signers>> {
    Ok(read_settings(state, &state.settings())?.signers)
}

/// Who is told of what.
pub(crate) fn alerts(state: &StateDir) -> Result<AlertSettings> {
    Ok(read_settings(state, &state.settings())?.alerts)
}

fn open<L: RunLog + 'static>(opened: std::result::Result<L, Error>) -> Result<Arc<dyn RunLog>> {
    Ok(Arc::new(opened.doing(Exit::Unreachable, "open the run log")?))
}

fn place(state: &StateDir) -> Result<Place> {
    let path = state.settings();
    let settings = read_settings(state, &path)?;
    match settings.run_log {
        RunLogSettings::Sqlite => Ok(Place::Sqlite(state.run_log())),
        RunLogSettings::Postgres(url) => {
            let set = "postgres://USER:PASSWORD@HOST/DATABASE";
            held(&url, &path, "the run log's URL", set).map(Place::Postgres)
        }
    }
}

fn read_settings(state: &StateDir, path: &Path) -> Result<InstanceSettings> {
    if !path.exists() && !state.names_settings() {
        return Ok(InstanceSettings::default());
    }
    let mut texts = Texts::default();
    let (settings, found) = read_instance(&mut texts, &shown(path), read_text(path)?);
    if found.is_empty() { Ok(settings) } else { Err(Failed::diagnosed(texts, found)) }
}

/// The value of a setting: `what` it is, and what its variable may be `set` to, for who forgot that.
pub(crate) fn held(held: &Held, settings: &Path, what: &str, set: &str) -> Result<String> {
    match held {
        Held::Literal(text) => Ok(text.clone()),
        Held::Env(name) => std::env::var(name).map_err(|_| {
            Failed::invalid(format!("{} takes {what} from `{name}`, which is not set", shown(settings)))
                .hint(format!("export {name}={set}"))
        }),
        Held::File(path) => {
            let path = settings.parent().unwrap_or(Path::new("")).join(path);
            warn_of(&path);
            Ok(read_text(&path)?.trim().to_owned())
        }
    }
}
