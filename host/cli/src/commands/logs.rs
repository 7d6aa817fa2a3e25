//! `cofferdam logs`: what the ops wrote.

use std::time::Duration;

use anstyle::Style;
use cofferdam_model::{LogLevel, LogSource, RunId, StepKey};
use cofferdam_runlog::{LogFilter, PAGE_ROWS_MAX, StoredLog};
use serde_json::{Value, json};

use crate::archive;
use crate::args::{self, Global};
use crate::error::{Doing, Result};
use crate::exit::Exit;
use crate::instance;
use crate::output::{CYAN, DIM, Output, RED, YELLOW, printable};
use crate::site::Site;

/// How often a run that is followed is looked at. It is the log that is read, the same way here and on a cluster: nothing
/// is missed, however slow the reader is, and a run that another process drives can be followed as well.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(200);

pub(crate) async fn run(args: &args::Logs, global: &Global, output: Output) -> Result<()> {
    let log = match &args.file {
        Some(file) => archive::open(file).await?,
        None => Site::find(&args.at, global)?.log().await?,
    };
    let run = instance::find_run(&*log, args.run.as_deref()).await?;
    let filter = LogFilter {
        step: args.step.as_deref().map(StepKey::new),
        attempt: None,
        level: Some(level(&args.level)),
    };
    let mut from = 0;
    let mut documents = vec![];
    loop {
        let doing = "read the run log";
        // Asked first: what was logged before a run has ended is there when it has.
        let ended =
            !args.follow || log.summary(run).await.doing(Exit::Unreachable, doing)?.status.is_terminal();
        let page = log.logs(run, filter.clone(), from, PAGE_ROWS_MAX).await;
        let page = page.doing(Exit::Unreachable, doing)?;
        let Some(last) = page.last() else {
            if ended {
                break;
            }
            tokio::time::sleep(FOLLOW_INTERVAL).await;
            continue;
        };
        from = last.number + 1;
        match (output.json, args.follow) {
            (true, false) => documents.extend(page.iter().map(line_json)),
            (true, true) => output.answer(&lines(&page, |line| line_json(line).to_string()))?,
            (false, _) => output.answer(&lines(&page, line_text))?,
        }
    }
    if output.json && !args.follow {
        output.document("cofferdam.logs/v1", json!({ "run": run, "lines": documents }))
    } else {
        nothing(from, run, output)
    }
}

fn lines(page: &[StoredLog], form: impl Fn(&StoredLog) -> String) -> String {
    page.iter().map(form).collect::<Vec<_>>().join("\n")
}

fn nothing(from: u64, run: RunId, output: Output) -> Result<()> {
    if from == 0 {
        output.say(&format!("no log lines of run {run} match"));
    }
    Ok(())
}

fn level(word: &str) -> LogLevel {
    match word {
        "debug" => LogLevel::Debug,
        "info" => LogLevel::Info,
        "warn" => LogLevel::Warn,
        "error" => LogLevel::Error,
        _ => LogLevel::Trace,
    }
}

fn source(source: LogSource) -> &'static str {
    match source {
        LogSource::Op => "op",
        LogSource::Stdout => "stdout",
        LogSource::Stderr => "stderr",
        LogSource::Host => "host",
    }
}

pub(crate) fn line_json(log: &StoredLog) -> Value {
    let fields: serde_json::Map<String, Value> =
        log.line.fields.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
    json!({
        "number": log.number,
        "at": log.line.at.to_string(),
        "step": log.step,
        "attempt": log.attempt,
        "level": log.line.level,
        "source": source(log.line.source),
        "message": log.line.message,
        "fields": fields,
    })
}

/// `warn 3 rows rejected file=…`, for who knows whose line it is.
pub(crate) fn line_plain(log: &StoredLog) -> String {
    let (_, word) = look(log.line.level);
    let fields = log.line.fields.iter().map(|(key, value)| format!(" {key}={value}"));
    let text = format!("{word} {}{}", log.line.message, fields.collect::<String>());
    printable(&text).replace('\n', " ")
}

fn look(level: LogLevel) -> (Style, &'static str) {
    match level {
        LogLevel::Trace => (DIM, "trace"),
        LogLevel::Debug => (DIM, "debug"),
        LogLevel::Info => (CYAN, "info"),
        LogLevel::Warn => (YELLOW, "warn"),
        LogLevel::Error => (RED, "error"),
    }
}

/// `10:15:02.120 warn  clean[m01]: 3 rows rejected file=…`; the guest's text cannot start a line of its own.
pub(crate) fn line_text(log: &StoredLog) -> String {
    let time: String = log.line.at.to_string().chars().skip(11).take(12).collect();
    let (style, word) = look(log.line.level);
    let message = printable(&log.line.message).replace('\n', "\n    ");
    let mut text = format!("{DIM}{time}{DIM:#} {style}{word:<5}{style:#} {}: {message}", log.step);
    for (key, value) in &log.line.fields {
        text.push_str(&format!(" {DIM}{}={}{DIM:#}", printable(key), printable(value).replace('\n', " ")));
    }
    text
}
