//! Alerts of this instance: its settings opened, and what sends them joined with what is told of that.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use cofferdam_config::{AlertSettings, AlertTarget};
use cofferdam_daemon::{Alerts, Deliver};
use cofferdam_model::{Delivery, DeliveryState, Name};
use cofferdam_notify::{Invalid, Mail, Target, Webhook};
use cofferdam_runlog::RunLog;
use cofferdam_scheduler::{Scheduler, system_clock, system_time};
use cofferdam_telemetry::SchedulerMetrics;

use crate::error::{Failed, Result};
use crate::project::{StateDir, shown};
use crate::settings;

/// What tells people, ready to run. Fails if a target cannot be used.
pub(crate) fn open(
    state: &StateDir,
    log: Arc<dyn RunLog>,
    scheduler: Arc<Scheduler>,
    metrics: Option<SchedulerMetrics>,
) -> Result<Alerts> {
    let AlertSettings { rules, targets } = settings::alerts(state)?;
    let targets = targets.iter().map(|(name, target)| Ok((name.clone(), self::target(state, name, target)?)));
    let targets = targets.collect::<Result<BTreeMap<_, _>>>()?;
    Ok(Alerts::new(log, scheduler, rules, Arc::new(Senders { targets, metrics }), system_clock()))
}

/// A target with its secrets.
pub(crate) fn target(state: &StateDir, name: &Name, target: &AlertTarget) -> Result<Target> {
    let path = state.settings();
    let made = match target {
        AlertTarget::Webhook { url, secret, allow_private } => {
            let url = settings::held(url, &path, &format!("the URL of `{name}`"), "https://…")?;
            let secret = settings::held(secret, &path, &format!("the secret of `{name}`"), "whsec_…")?;
            Webhook::new(&url, &secret, *allow_private).map(Target::Webhook)
        }
        AlertTarget::Mail { to, from, smtp, login, allow_private } => {
            let login = login.as_ref().map(|(user, password)| {
                let password = settings::held(password, &path, &format!("the password of `{name}`"), "…")?;
                Ok((user.clone(), password))
            });
            let mail = Mail::new(to, from, smtp, login.transpose()?, *allow_private);
            mail.map(Target::Mail)
        }
    };
    made.map_err(|invalid: Invalid| {
        let failed =
            Failed::invalid(format!("alert target `{name}` of {} cannot be used: {invalid}", shown(&path)));
        Failed { hint: invalid.hint.map(str::to_owned), ..failed }
    })
}

/// Sends, and counts.
struct Senders {
    targets: BTreeMap<Name, Target>,
    metrics: Option<SchedulerMetrics>,
}

#[async_trait]
impl Deliver for Senders {
    async fn deliver(&self, delivery: &Delivery) -> std::result::Result<(), String> {
        match self.targets.get(&delivery.target) {
            Some(target) => target.deliver(delivery, system_time()).await,
            None => Err("there is no alert target of that name any more".to_owned()),
        }
    }

    fn noted(&self, delivery: &Delivery) {
        if let Some(metrics) = &self.metrics {
            metrics.alert(match delivery.state {
                DeliveryState::Pending { .. } => "failed",
                DeliveryState::Sent { .. } => "sent",
                DeliveryState::GivenUp { .. } => "given_up",
            });
        }
    }
}
