//! `cofferdam value show`: what a step made, for people and programs.
//! Where it comes from is [`lineage`](super::lineage)'s.

use std::io::Write;

use clap::{Args, Subcommand};
use cofferdam_engine::{Run, StepView};
use cofferdam_io::Stores;
use cofferdam_model::{CBOR, Name, Output as Made, Place, StepKey, ValueRef, nearest};
use futures::StreamExt;
use serde_json::{Value as Json, json};

use crate::args::{At, Global};
use crate::commands::{lineage, show};
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::instance;
use crate::output::{DIM, Output, printable};
use crate::site::Site;
use crate::text::size;

/// Largest value that is shown rather than described. What is larger nobody reads; `--raw` gives all of it.
pub(crate) const SHOWN_BYTES_MAX: u64 = 1 << 20;
/// Keys that are named in a hint.
const KEYS_TOLD_MAX: usize = 10;

#[derive(Debug, Subcommand)]
pub(crate) enum Value {
    /// Show an output of a step: structured values as JSON, text as it is, others in a summary.
    Show(Show),
    /// Say where an output comes from, back to what the run was given, and what was made of it.
    Lineage(Lineage),
}

/// One value of a run.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Run: its id or a unique start of it.
    pub(crate) run: String,
    /// The step, with its mapping keys.
    pub(crate) step: String,
    /// The output. May be left out if there is only one.
    pub(crate) output: Option<String>,
    /// Which value of a dynamic output.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cofferdam value show 0193 sum
  cofferdam value show 0193 'clean[m01]' table --raw > table.arrows
  cofferdam value show 0193 numbers each --key n3")]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) which: Which,
    /// The bytes as they are, and nothing else.
    #[arg(long)]
    pub(crate) raw: bool,
    #[command(flatten)]
    pub(crate) at: At,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cofferdam value lineage 0193 report
  cofferdam value lineage 0193 'clean[m01]' table --json")]
pub(crate) struct Lineage {
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    pub(crate) at: At,
}

pub(crate) async fn run(args: &Value, global: &Global, output: Output) -> Result<()> {
    match args {
        Value::Show(args) => show(args, global, output).await,
        Value::Lineage(args) => lineage::run(args, global, output).await,
    }
}

async fn show(args: &Show, global: &Global, output: Output) -> Result<()> {
    let site = Site::find(&args.at, global)?;
    let log = site.log().await?;
    let id = instance::find_run(&*log, Some(&args.which.run)).await?;
    let run = show::load(&*log, id).await?;
    let step = find_step(&run, &args.which.step)?;
    let made = find_output(&step, &args.which)?;
    let stores = site.stores()?;
    if args.raw {
        return raw(&made.value, &stores).await;
    }
    if output.json {
        let content = if is_shown(&made.value) { content(&made.value, &stores).await? } else { Json::Null };
        let document = json!({
            "run": id,
            "step": step.key(),
            "output": made.name,
            "key": made.key,
            "media_type": made.value.media_type,
            "size": made.value.size,
            "digest": made.value.digest,
            "metadata": made.metadata,
            "value": content,
        });
        return output.document("cofferdam.value/v1", document);
    }
    output.say(&summary(&made.value));
    if !is_shown(&made.value) {
        return output.answer(&format!(
            "{} of {}; `--raw` writes the bytes",
            size(made.value.size),
            printable(&made.value.media_type)
        ));
    }
    match content(&made.value, &stores).await? {
        Json::String(text) if made.value.media_type != CBOR => output.answer(&printable(&text)),
        other => {
            output.answer(&printable(&serde_json::to_string_pretty(&other).expect("JSON can be written")))
        }
    }
}

/// A step of a run by its key; the hint tells of near ones.
pub(crate) fn find_step<'a>(run: &'a Run, asked: &str) -> Result<StepView<'a>> {
    run.step(&StepKey::new(asked)).ok_or_else(|| {
        let failed = Failed::usage(format!("run {} has no step `{}`", run.id(), printable(asked)));
        let copies: Vec<&str> = run
            .steps()
            .map(|step| step.key().as_str())
            .filter(|key| key.strip_prefix(asked).is_some_and(|rest| rest.starts_with('[')))
            .take(KEYS_TOLD_MAX)
            .collect();
        if !copies.is_empty() {
            return failed.hint(format!("it is mapped; name one copy: {}", copies.join(", ")));
        }
        match nearest(asked, run.steps().map(|step| step.key().as_str())) {
            Some(near) => failed.hint(format!("did you mean `{near}`?")),
            None => failed.hint(format!("`cofferdam show {} --all` lists its steps", run.id())),
        }
    })
}

/// The one output that is meant.
pub(crate) fn find_output<'a>(step: &StepView<'a>, args: &Which) -> Result<&'a Made> {
    let outputs = step.outputs();
    if outputs.is_empty() {
        let message = format!("step `{}` has no outputs: it {}", step.key(), step.status());
        return Err(Failed::usage(message));
    }
    let mut names: Vec<&Name> = outputs.iter().map(|made| &made.name).collect();
    names.dedup();
    let listed = || names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    let name = match &args.output {
        Some(asked) => {
            names.iter().find(|name| name.as_str() == asked.replace('-', "_")).ok_or_else(|| {
                let failed =
                    Failed::usage(format!("step `{}` made no output `{}`", step.key(), printable(asked)));
                failed.hint(format!("it made: {}", listed()))
            })?
        }
        None => match names.as_slice() {
            [only] => only,
            _ => {
                return Err(Failed::usage(format!("which output of `{}`?", step.key()))
                    .hint(format!("name one of: {}", listed())));
            }
        },
    };
    let of_name: Vec<&Made> = outputs.iter().filter(|made| made.name == **name).collect();
    let keys: Vec<&str> = of_name.iter().filter_map(|made| made.key.as_ref()).map(Name::as_str).collect();
    let told = || {
        let more = if keys.len() > KEYS_TOLD_MAX { ", …" } else { "" };
        format!("keys: {}{more}", keys.iter().take(KEYS_TOLD_MAX).copied().collect::<Vec<_>>().join(", "))
    };
    match (&args.key, of_name.as_slice()) {
        (None, [only]) => Ok(only),
        (None, _) => {
            let message = format!("which value of `{}.{name}`? It has {}", step.key(), keys.len());
            Err(Failed::usage(message).hint(format!("say `--key KEY`; {}", told())))
        }
        (Some(key), _) if keys.is_empty() => {
            let message = format!("`{}.{name}` is one value and has no key `{}`", step.key(), printable(key));
            Err(Failed::usage(message).hint("leave `--key` out"))
        }
        (Some(key), _) => {
            let found =
                of_name.iter().find(|made| made.key.as_ref().is_some_and(|known| known.as_str() == key));
            found.copied().ok_or_else(|| {
                Failed::usage(format!(
                    "`{}.{name}` has no value with the key `{}`",
                    step.key(),
                    printable(key)
                ))
                .hint(told())
            })
        }
    }
}

/// `application/cbor, 812 B, blake3:…`
pub(crate) fn summary(value: &ValueRef) -> String {
    let place = match &value.place {
        Place::Inline(_) => "in the run log".to_owned(),
        Place::Stored(key) => format!("in the value store: {key}"),
        Place::Managed(managed) => format!("in `{}`: {}", managed.name, managed.key),
    };
    let media_type = printable(&value.media_type);
    format!("{DIM}{media_type}, {}, {}, {place}{DIM:#}", size(value.size), value.digest)
}

fn is_shown(value: &ValueRef) -> bool {
    let readable = value.media_type == CBOR
        || value.media_type == "application/json"
        || value.media_type == "image/svg+xml"
        || value.media_type.starts_with("text/");
    readable && value.size <= SHOWN_BYTES_MAX
}

/// A value that is readable, as JSON; text is a string.
pub(crate) async fn content(value: &ValueRef, stores: &Stores) -> Result<Json> {
    // The caller has seen that it is small.
    let mut bytes = vec![];
    let mut chunks = stores.get(value).await.doing(Exit::Unreachable, "read the value")?;
    while let Some(chunk) = chunks.next().await {
        bytes.extend_from_slice(&chunk.doing(Exit::Unreachable, "read the value")?);
    }
    let unreadable = |why: String| {
        Failed::invalid(format!("the value is not {}: {why}", printable(&value.media_type)))
            .hint("`--raw` writes the bytes as they are")
    };
    match value.media_type.as_str() {
        CBOR => cofferdam_model::cbor::to_json(&bytes).map_err(unreadable),
        "application/json" => serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string())),
        _ => String::from_utf8(bytes).map(Json::String).map_err(|error| unreadable(error.to_string())),
    }
}

/// All bytes to standard output, in pieces. A closed pipe ends quietly.
async fn raw(value: &ValueRef, stores: &Stores) -> Result<()> {
    let mut chunks = stores.get(value).await.doing(Exit::Unreachable, "read the value")?;
    let mut stdout = std::io::stdout().lock();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.doing(Exit::Unreachable, "read the value")?;
        match stdout.write_all(&chunk) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            done => done.doing(Exit::Internal, "write to standard output")?,
        }
    }
    stdout.flush().doing(Exit::Internal, "write to standard output")
}
