//! `cofferdam gc`: drops what no run needs any more. What may go is decided by `io::sweep`; this collects the facts
//! from the run log and the stores, and carries it out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use cofferdam_crash::reach;
use cofferdam_depot::Depot;
use cofferdam_io::{Item, Rules, RunFacts, Stored, Stores, Sweep, ValueStore, Why, store_id, sweep};
use cofferdam_model::{
    Event, IoManagerKind, LibraryDigest, Name, Plan, PlanIoManager, Recorded, RunId, Timestamp, ValueRef,
};
use cofferdam_runlog::{PAGE_ROWS_MAX, RunFilter, RunLog, RunSummary};
use serde_json::{Value, json};

use crate::args::{self, Global};
use crate::error::{Doing, Result};
use crate::exit::Exit;
use crate::instance;
use crate::output::Output;
use crate::project::{StateDir, project_root};
use crate::settings;
use crate::text::{count, size};

/// Promotions of each channel whose libraries stay, so that it can be put back on them.
const PROMOTIONS_KEPT: usize = 10;
/// What is younger stays: an attempt may have written it for a commit that is still to come.
const GRACE: Duration = Duration::from_secs(3600);

pub(crate) async fn run(args: &args::Gc, global: &Global, output: Output) -> Result<()> {
    let state = &StateDir::find(global)?;
    let Some(log) = settings::read_if_any(state).await? else {
        output.say("nothing has run here yet; there is nothing to drop");
        return if output.json { report(args, &Sweep::default(), 0, output) } else { Ok(()) };
    };
    // Whoever writes the run log is alone with it, so nothing starts while things are dropped.
    let log = if args.dry_run { log } else { settings::write(state).await? };
    let room = Room::open(log, state, global, output).await?;
    let rules =
        Rules { keep_last: args.keep_last, max_age: args.max_age, max_bytes: args.max_size, grace: GRACE };
    let stored = room.stored().await?;
    let sweep = sweep(&rules, &room.facts, &room.protected, &stored, cofferdam_scheduler::system_time());
    let readable_bytes = room.carry_out(&sweep, args.dry_run).await?;
    report(args, &sweep, readable_bytes, output)
}

/// The stores of an instance, and what is known of its runs.
struct Room<'a> {
    log: Arc<dyn RunLog>,
    state: &'a StateDir,
    depot: Depot,
    /// By the name of the store in items; empty for the instance's own.
    stores: BTreeMap<String, ValueStore>,
    facts: Vec<RunFacts>,
    protected: BTreeSet<Item>,
}

impl Room<'_> {
    async fn open<'a>(
        log: Arc<dyn RunLog>,
        state: &'a StateDir,
        global: &Global,
        output: Output,
    ) -> Result<Room<'a>> {
        let pins = log.catalog().pins().await.doing(Exit::Unreachable, "read the pins")?;
        let mut managers = BTreeMap::new();
        let mut latest = HashMap::new();
        let mut facts = vec![];
        for run in summaries(&*log).await? {
            let read = "read the run log";
            let plan = log.plan(run.run).await.doing(Exit::Unreachable, read)?;
            let events = log.history(run.run, 0).await.doing(Exit::Unreachable, read)?;
            note_assets(&events, run.run, &mut latest);
            let plan =
                Plan::decode(&plan).doing(Exit::Unreachable, format!("read the plan of run {}", run.run))?;
            managers.extend(
                plan.io_managers
                    .iter()
                    .map(|(name, manager)| (store_id(manager), (name.clone(), manager.clone()))),
            );
            let pinned = pins.contains(&run.run);
            facts.push(facts_of(&run, pinned, &plan, &events, &mut managers));
        }
        let mut protected = BTreeSet::new();
        for (_, value) in latest.into_values() {
            refer(
                &serde_json::to_value(&value).expect("a reference is plain data"),
                &mut protected,
                &mut managers,
            );
        }
        protected.extend(promoted(&*log).await?);
        let stores = stores_of(state, global, managers, output)?;
        Ok(Room { log, state, depot: instance::depot(state)?, stores, facts, protected })
    }

    async fn stored(&self) -> Result<Vec<Stored>> {
        let mut stored = vec![];
        for (id, store) in &self.stores {
            stored.extend(store.list(id).await.doing(Exit::Unreachable, "list the values")?);
        }
        for (digest, bytes, put) in self.depot.list().await.doing(Exit::Unreachable, "list the libraries")? {
            stored.push(Stored { item: Item::Library(digest), run: None, bytes, modified: Timestamp(put) });
        }
        let artefacts = artefacts(self.state).doing(Exit::Unreachable, "list the compiled libraries")?;
        stored.extend(artefacts);
        Ok(stored)
    }

    /// Bytes of readable paths that went, or would go, besides what the sweep names.
    async fn carry_out(&self, sweep: &Sweep, dry_run: bool) -> Result<u64> {
        let mut bytes = 0;
        for store in self.stores.values() {
            for run in &sweep.runs {
                let readable = store.readable_of_run(*run, !dry_run).await;
                bytes += readable.doing(Exit::Unreachable, format!("drop the outputs of run {run}"))?;
            }
        }
        if dry_run {
            return Ok(bytes);
        }
        reach("gc.marked");
        // First the ways to the values, then the values.
        for run in &sweep.runs {
            let forgotten = self.log.catalog().forget_memos(*run).await;
            forgotten.doing(Exit::Unreachable, "forget the results of dropped runs")?;
        }
        for (stored, _) in &sweep.drop {
            match &stored.item {
                Item::Value { store, key } => {
                    let removed = self.stores[store].remove(key).await;
                    removed.doing(Exit::Unreachable, "drop a value")?;
                    reach("gc.value_dropped");
                }
                Item::Library(digest) => {
                    self.depot.delete(digest).await.doing(Exit::Unreachable, "drop a library")?;
                    reach("gc.library_dropped");
                }
                Item::Artefact { file, .. } => {
                    let removed = std::fs::remove_file(self.state.artefacts().join(file));
                    removed.doing(Exit::Unreachable, "drop a compiled library")?;
                }
            }
        }
        Ok(bytes)
    }
}

type Managers = BTreeMap<String, (Name, PlanIoManager)>;

/// The newest value of each partition of each asset, with when it was recorded.
type Latest = HashMap<(String, Option<String>), ((Timestamp, RunId, u64), Option<ValueRef>)>;

async fn summaries(log: &dyn RunLog) -> Result<Vec<RunSummary>> {
    let mut runs: Vec<RunSummary> = vec![];
    loop {
        let filter = RunFilter { before: runs.last().map(|run| run.run), ..RunFilter::default() };
        let page = log.runs(filter).await.doing(Exit::Unreachable, "read the run log")?;
        let last = page.len() < PAGE_ROWS_MAX;
        runs.extend(page);
        if last {
            return Ok(runs);
        }
    }
}

/// What channels are on, and what a rollback may put on them again.
async fn promoted(log: &dyn RunLog) -> Result<Vec<Item>> {
    let doing = "read the channels";
    let mut libraries = vec![];
    for newest in log.catalog().channels().await.doing(Exit::Unreachable, doing)? {
        let kept = log.catalog().promotions(newest.channel, None, PROMOTIONS_KEPT).await;
        libraries
            .extend(kept.doing(Exit::Unreachable, doing)?.into_iter().map(|one| Item::Library(one.library)));
    }
    Ok(libraries)
}

fn note_assets(events: &[Recorded], run: RunId, latest: &mut Latest) {
    for recorded in events {
        if let Event::AssetMaterialized { materialization, .. } = &recorded.event {
            let asset = (materialization.key.to_string(), materialization.partition.clone());
            let when = (recorded.at, run, recorded.seq);
            if latest.get(&asset).is_none_or(|(before, _)| *before < when) {
                latest.insert(asset, (when, materialization.value.clone()));
            }
        }
    }
}

fn facts_of(
    run: &RunSummary,
    pinned: bool,
    plan: &Plan,
    events: &[Recorded],
    managers: &mut Managers,
) -> RunFacts {
    let mut refers_to = BTreeSet::new();
    let libraries = plan.libraries.values().chain(plan.steps.iter().map(|step| &step.library));
    refers_to.extend(libraries.map(|digest| Item::Library(*digest)));
    refer(&serde_json::to_value(plan).expect("a plan is plain data"), &mut refers_to, managers);
    for recorded in events {
        refer(
            &serde_json::to_value(&recorded.event).expect("an event is plain data"),
            &mut refers_to,
            managers,
        );
    }
    let ended_at = run.status.is_terminal().then_some(run.ended_at).flatten();
    RunFacts { run: run.run, job: run.job.clone(), ended_at, pinned, refers_to }
}

/// Finds references to values wherever they stand, so that no kind of event is forgotten: what looks like one and is
/// none keeps a value that could go, and no more.
fn refer(document: &Value, items: &mut BTreeSet<Item>, managers: &mut Managers) {
    match document {
        Value::Array(values) => values.iter().for_each(|value| refer(value, items, managers)),
        Value::Object(fields) => {
            if let Some(key) = fields.get("stored").and_then(Value::as_str) {
                items.insert(Item::Value { store: String::new(), key: key.to_owned() });
            }
            if let Some(place) = fields.get("managed")
                && let Ok(place) = serde_json::from_value::<cofferdam_model::ManagedPlace>(place.clone())
            {
                let store = store_id(&place.manager);
                managers.entry(store.clone()).or_insert((place.name, place.manager));
                items.insert(Item::Value { store, key: place.key });
            }
            fields.values().for_each(|value| refer(value, items, managers));
        }
        _ => {}
    }
}

/// Opens the stores of all managers that any run used. One that cannot be opened is said and left as it is.
fn stores_of(
    state: &StateDir,
    global: &Global,
    managers: Managers,
    output: Output,
) -> Result<BTreeMap<String, ValueStore>> {
    let main = instance::values(state)?;
    let environment = |name: &str| std::env::var(name).ok();
    let stores = Stores::new(main.clone(), project_root(global)?, Arc::new(environment));
    let mut opened = BTreeMap::from([(String::new(), main)]);
    for (id, (name, manager)) in managers {
        // What workers keep ends with its run.
        use IoManagerKind::{Memory, Op, Store, Transient};
        if matches!(manager.kind, Store | Memory | Transient | Op) {
            continue;
        }
        match stores.of_manager(&name, &manager) {
            Ok(store) => drop(opened.insert(id, store)),
            Err(error) => output.say(&format!("the values of IO manager `{name}` stay: failed to {error}")),
        }
    }
    Ok(opened)
}

/// Files of the cache of compiled libraries: `<digest>-<engine>.cwasm`.
fn artefacts(state: &StateDir) -> std::io::Result<Vec<Stored>> {
    let folder = state.artefacts();
    if !folder.exists() {
        return Ok(vec![]);
    }
    let mut found = vec![];
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.file_name().to_string_lossy().into_owned();
        let digest = file.strip_suffix(".cwasm").and_then(|name| name.split_once('-'));
        let digest = digest.and_then(|(digest, _)| format!("sha256:{digest}").parse::<LibraryDigest>().ok());
        if let Some(library) = digest {
            let metadata = entry.metadata()?;
            let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
            let modified = Timestamp(u64::try_from(modified.as_millis()).unwrap_or(u64::MAX));
            let item = Item::Artefact { library, file };
            found.push(Stored { item, run: None, bytes: metadata.len(), modified });
        }
    }
    Ok(found)
}

fn report(args: &args::Gc, sweep: &Sweep, readable_bytes: u64, output: Output) -> Result<()> {
    let kinds = [
        ("values", "value", "values"),
        ("libraries", "library", "libraries"),
        ("compiled", "compiled library", "compiled libraries"),
    ];
    let kind_of = |item: &Item| match item {
        Item::Value { .. } => 0,
        Item::Library(_) => 1,
        Item::Artefact { .. } => 2,
    };
    let sum = |kind: usize, why: Option<Why>| {
        let of_kind = sweep.drop.iter().filter(|(stored, because)| {
            kind_of(&stored.item) == kind && why.is_none_or(|why| why == *because)
        });
        of_kind.fold((0_usize, 0_u64), |(n, bytes), (stored, _)| (n + 1, bytes + stored.bytes))
    };
    let bytes = sweep.dropped_bytes() + readable_bytes;
    if output.json {
        let mut document = json!({
            "dry_run": args.dry_run,
            "runs": sweep.runs,
            "bytes": bytes,
            "kept_bytes": sweep.kept_bytes,
            "readable_bytes": readable_bytes,
        });
        for (at, (word, ..)) in kinds.iter().enumerate() {
            let part = |why: Why| {
                let (n, bytes) = sum(at, Some(why));
                json!({ "n": n, "bytes": bytes })
            };
            document[*word] = json!({
                (Why::Run.word()): part(Why::Run),
                (Why::Unreferenced.word()): part(Why::Unreferenced),
            });
        }
        return output.document("cofferdam.gc/v1", document);
    }
    let mut text = match args.dry_run {
        true => format!("would free {}", size(bytes)),
        false => format!("freed {}", size(bytes)),
    };
    text.push_str(&format!(
        ", {} stay; the values of {} go\n",
        size(sweep.kept_bytes),
        count(sweep.runs.len(), "run")
    ));
    for (at, (_, one, many)) in kinds.iter().enumerate() {
        let ((n, bytes), (n_unreferenced, _)) = (sum(at, None), sum(at, Some(Why::Unreferenced)));
        if n > 0 {
            let word = if n == 1 { one } else { many };
            let bytes = size(bytes);
            text.push_str(&format!(
                "  {n} {word}, {bytes}, of which {n_unreferenced} that nothing refers to\n"
            ));
        }
    }
    if readable_bytes > 0 {
        text.push_str(&format!("  copies under readable paths, {}\n", size(readable_bytes)));
    }
    output.answer(&text)
}
