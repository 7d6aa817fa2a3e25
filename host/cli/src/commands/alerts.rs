//! `cofferdam alerts`: who is told of what on the instance whose state is here, what became of it, and trials.

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use cofferdam_config::{AlertSettings, AlertTarget, Held};
use cofferdam_model::{Alert, AlertAbout, AlertOn, AlertRule, Delivery, DeliveryState, Name};
use cofferdam_scheduler::system_time;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::alerts;
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::output::{Output, printable, terminal_width};
use crate::project::StateDir;
use crate::settings;
use crate::text::ago;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cofferdam alerts\n  cofferdam alerts test ops")]
pub(crate) struct Alerts {
    #[command(subcommand)]
    asked: Option<Asked>,
    /// Most deliveries to list, newest first.
    #[arg(long, value_name = "N", default_value_t = 10)]
    limit: usize,
}

#[derive(Debug, Subcommand)]
enum Asked {
    /// Send a trial to a target of alerts, once and from here, whether or not the instance runs.
    Test {
        /// Name of the target.
        target: String,
    },
}

pub(crate) async fn run(args: &Alerts, state: &StateDir, output: Output) -> Result<()> {
    let settings = settings::alerts(state)?;
    match &args.asked {
        None => list(&settings, &deliveries(state, args.limit).await?, output),
        Some(Asked::Test { target }) => test(&settings, target, state, output).await,
    }
}

async fn deliveries(state: &StateDir, limit: usize) -> Result<Vec<Delivery>> {
    let Some(log) = settings::read_if_any(state).await? else { return Ok(vec![]) };
    log.alerts().deliveries(None, limit).await.doing(Exit::Unreachable, "read the run log")
}

async fn test(settings: &AlertSettings, asked: &str, state: &StateDir, output: Output) -> Result<()> {
    let found = settings.targets.iter().find(|(name, _)| name.as_str() == asked.replace('-', "_"));
    let Some((name, target)) = found else {
        let names: Vec<&str> = settings.targets.keys().map(Name::as_str).collect();
        let known = match names.is_empty() {
            true => "none is defined: add a table [alert_targets.NAME] to instance.toml".to_owned(),
            false => format!("known: {}", names.join(", ")),
        };
        return Err(Failed::usage(format!("there is no alert target `{asked}`")).hint(known));
    };
    let delivery = trial(name);
    let target = alerts::target(state, name, target)?;
    target.deliver(&delivery, system_time()).await.map_err(|why| {
        let failed = Failed::new(Exit::Unreachable, format!("`{name}` did not take the trial"));
        Failed { causes: vec![why], ..failed }
    })?;
    if output.json {
        return output.document("cofferdam.alert-test/v1", json!({ "target": name, "id": delivery.id }));
    }
    output.answer(&format!("`{name}` has taken the trial {}", delivery.id))
}

/// An alert of nothing.
fn trial(target: &Name) -> Delivery {
    let now = system_time();
    let alert = Alert {
        rule: target.clone(),
        on: AlertOn::RunFailed,
        at: now,
        text: "this is a trial: nothing has failed".to_owned(),
        about: AlertAbout::default(),
    };
    Delivery {
        number: 0,
        key: String::new(),
        id: Uuid::now_v7().to_string(),
        target: target.clone(),
        alert,
        attempts: 0,
        state: DeliveryState::Pending { next: now },
        error: None,
    }
}

fn list(settings: &AlertSettings, deliveries: &[Delivery], output: Output) -> Result<()> {
    if output.json {
        let rules: Vec<Value> = settings.rules.iter().map(rule_json).collect();
        let targets = settings.targets.iter().map(|(name, target)| {
            let (kind, to) = kind(target);
            json!({ "name": name, "kind": kind, "to": to })
        });
        let targets: Vec<Value> = targets.collect();
        let deliveries: Vec<Value> = deliveries.iter().map(delivery_json).collect();
        let all = json!({ "rules": rules, "targets": targets, "deliveries": deliveries });
        return output.document("cofferdam.alerts/v1", all);
    }
    if settings.rules.is_empty() && deliveries.is_empty() {
        output.say("nobody is told of anything: add a table [alerts.NAME] to instance.toml");
        return Ok(());
    }
    let mut rules = table(["ALERT", "ON", "OF", "TO"]);
    for rule in &settings.rules {
        let to: Vec<&str> = rule.to.iter().map(Name::as_str).collect();
        rules.add_row([rule.name.to_string(), rule.on.to_string(), of(rule), to.join(", ")]);
    }
    let mut targets = table(["TARGET", "KIND", "WHERE"]);
    for (name, target) in &settings.targets {
        let (kind, to) = kind(target);
        targets.add_row([name.to_string(), kind.to_owned(), to]);
    }
    let mut sent = table(["DELIVERY", "ALERT", "TO", "WHAT", "TRIED", "ERROR"]);
    for delivery in deliveries {
        sent.add_row([
            format!("{} {}", delivery.state.word(), ago(delivery.alert.at)),
            delivery.alert.rule.to_string(),
            delivery.target.to_string(),
            printable(&delivery.alert.text),
            delivery.attempts.to_string(),
            printable(delivery.error.as_deref().unwrap_or_default()),
        ]);
    }
    let tables = [rules, targets, sent];
    let filled = tables.iter().filter(|table| !table.is_empty());
    let tables: Vec<String> = filled.map(lines).collect();
    output.answer(&tables.join("\n\n"))
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(terminal_width()).unwrap_or(u16::MAX)).set_header(header);
    table
}

fn lines(table: &Table) -> String {
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// What a rule is limited to.
fn of(rule: &AlertRule) -> String {
    let mut parts = vec![];
    if rule.on.lasts() {
        parts.push(format!("for {} s", rule.lasting.as_secs_f64()));
    }
    parts.extend(listed("jobs", rule.jobs.as_ref()));
    parts.extend(listed("namespaces", rule.namespaces.as_ref()));
    parts.extend(listed("assets", rule.assets.as_ref()));
    parts.extend(rule.tags.iter().map(|(key, value)| format!("{key}={value}")));
    if parts.is_empty() { "all".to_owned() } else { parts.join("; ") }
}

fn listed<T: ToString>(what: &str, items: Option<&BTreeSet<T>>) -> Option<String> {
    let items: Vec<String> = items?.iter().map(ToString::to_string).collect();
    Some(format!("{what} {}", items.join(", ")))
}

/// What a target is, and where it leads as far as that is no secret.
fn kind(target: &AlertTarget) -> (&'static str, String) {
    match target {
        AlertTarget::Webhook { url: Held::Literal(url), .. } => ("webhook", url.clone()),
        AlertTarget::Webhook { url: Held::Env(name), .. } => ("webhook", format!("${name}")),
        AlertTarget::Webhook { url: Held::File(path), .. } => ("webhook", path.display().to_string()),
        AlertTarget::Mail { to, .. } => ("email", to.join(", ")),
    }
}

fn rule_json(rule: &AlertRule) -> Value {
    json!({
        "name": rule.name, "on": rule.on, "for_s": rule.on.lasts().then_some(rule.lasting.as_secs_f64()),
        "jobs": rule.jobs, "namespaces": rule.namespaces, "tags": rule.tags, "assets": rule.assets, "to": rule.to,
    })
}

fn delivery_json(delivery: &Delivery) -> Value {
    json!({
        "id": delivery.id, "target": delivery.target, "alert": delivery.alert, "attempts": delivery.attempts,
        "state": delivery.state, "error": delivery.error,
    })
}
