//! Alerts: the rules by which somebody is told, what they are told, and each telling until it has arrived.
//!
//! ```text
//! Pending ─► Sent
//!    └─────► GivenUp   it was tried as often as it may be
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{AssetKey, Name, RunId, StepKey, Timestamp, WorkerId};

/// What a rule listens for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertOn {
    RunSucceeded,
    RunFailed,
    RunCancelled,
    /// Nothing of a run is under way although it could be, for as long as the rule says.
    RunWaits,
    /// A step has failed for good.
    StepFailed,
    /// A check has found an asset wanting.
    CheckFailed,
    /// An asset was not made for as long as the rule says.
    AssetLate,
    /// A worker has gone without a word, with attempts that it had.
    WorkerLost,
}

impl AlertOn {
    pub const ALL: [AlertOn; 8] = [
        AlertOn::RunSucceeded,
        AlertOn::RunFailed,
        AlertOn::RunCancelled,
        AlertOn::RunWaits,
        AlertOn::StepFailed,
        AlertOn::CheckFailed,
        AlertOn::AssetLate,
        AlertOn::WorkerLost,
    ];

    pub fn word(self) -> &'static str {
        match self {
            AlertOn::RunSucceeded => "run_succeeded",
            AlertOn::RunFailed => "run_failed",
            AlertOn::RunCancelled => "run_cancelled",
            AlertOn::RunWaits => "run_waits",
            AlertOn::StepFailed => "step_failed",
            AlertOn::CheckFailed => "check_failed",
            AlertOn::AssetLate => "asset_late",
            AlertOn::WorkerLost => "worker_lost",
        }
    }

    /// Whether it is about how long something has lasted, so that a rule must say how long is too long.
    pub fn lasts(self) -> bool {
        matches!(self, AlertOn::RunWaits | AlertOn::AssetLate)
    }

    /// Whether it is about a run, so that a rule may say of which runs.
    pub fn is_of_a_run(self) -> bool {
        self != AlertOn::AssetLate
    }

    /// Whether it is about an asset, so that a rule may say of which assets.
    pub fn is_of_an_asset(self) -> bool {
        matches!(self, AlertOn::CheckFailed | AlertOn::AssetLate)
    }
}

impl fmt::Display for AlertOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// `[alerts.NAME]`: who is told what. A filter that is absent lets everything through, an empty one nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRule {
    pub name: Name,
    pub on: AlertOn,
    /// How long is too long, where that matters.
    pub lasting: Duration,
    pub jobs: Option<BTreeSet<Name>>,
    pub namespaces: Option<BTreeSet<String>>,
    /// That a run has, all of them.
    pub tags: BTreeMap<String, String>,
    pub assets: Option<BTreeSet<AssetKey>>,
    /// Names of targets.
    pub to: BTreeSet<Name>,
}

/// What somebody is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    pub rule: Name,
    pub on: AlertOn,
    /// When it happened, or was noticed.
    pub at: Timestamp,
    /// One line for a person.
    pub text: String,
    #[serde(flatten)]
    pub about: AlertAbout,
}

/// The same for a program, as far as it applies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertAbout {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Name>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<AssetKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Name>,
    /// What went wrong, or what is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// An alert on its way to one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Grows with every delivery; given by who keeps it.
    #[serde(skip)]
    pub number: u64,
    /// What it is about, for this rule and target: who is told once is not told again.
    pub key: String,
    /// The same in every attempt, and of no other delivery anywhere.
    pub id: String,
    pub target: Name,
    pub alert: Alert,
    /// Attempts that have ended.
    pub attempts: u32,
    pub state: DeliveryState,
    /// Why the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum DeliveryState {
    Pending {
        /// When it is to be tried.
        next: Timestamp,
    },
    Sent {
        at: Timestamp,
    },
    GivenUp {
        at: Timestamp,
    },
}

impl DeliveryState {
    pub fn word(self) -> &'static str {
        match self {
            DeliveryState::Pending { .. } => "pending",
            DeliveryState::Sent { .. } => "sent",
            DeliveryState::GivenUp { .. } => "given up",
        }
    }

    /// When it is to be tried; none once it has ended.
    pub fn next(self) -> Option<Timestamp> {
        match self {
            DeliveryState::Pending { next } => Some(next),
            DeliveryState::Sent { .. } | DeliveryState::GivenUp { .. } => None,
        }
    }

    pub fn ended_at(self) -> Option<Timestamp> {
        match self {
            DeliveryState::Pending { .. } => None,
            DeliveryState::Sent { at } | DeliveryState::GivenUp { at } => Some(at),
        }
    }
}
