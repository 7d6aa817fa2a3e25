//! What there is to do on an instance, and which role it takes: the one table of who may do what.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What the holder of a token may do. Each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Runs things.
    Launcher,
    /// Looks after workers and what is kept.
    Operator,
    /// Decides who takes part.
    Admin,
}

impl Role {
    pub const ALL: [Role; 4] = [Role::Viewer, Role::Launcher, Role::Operator, Role::Admin];

    pub const fn name(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Launcher => "launcher",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Role, String> {
        let found = Role::ALL.into_iter().find(|role| role.name() == text);
        found.ok_or_else(|| "a role is viewer, launcher, operator or admin".to_owned())
    }
}

/// The namespaces whose runs a token is for; without a list, all there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scope(pub Option<BTreeSet<String>>);

impl Scope {
    pub fn has(&self, namespace: &str) -> bool {
        self.0.as_ref().is_none_or(|names| names.contains(namespace))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("all namespaces"),
            Some(names) => {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                write!(f, "the namespace{} {}", if names.len() == 1 { "" } else { "s" }, names.join(", "))
            }
        }
    }
}

/// What a client may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    SeeRuns,
    SeeValues,
    SeeLibraries,
    SeeAssets,
    SeeWorkers,
    SeeQueues,
    SendLibrary,
    SendValue,
    SubmitRun,
    CancelRun,
    ChangePartitions,
    TryTick,
    ChangeAutomation,
    ReloadDefinitions,
    ReviewStep,
    PinRun,
    PromoteLibrary,
    DrainWorker,
    RevokeWorker,
}

impl Deed {
    #[cfg(test)]
    pub(crate) const ALL: [Deed; 19] = [
        Deed::SeeRuns,
        Deed::SeeValues,
        Deed::SeeLibraries,
        Deed::SeeAssets,
        Deed::SeeWorkers,
        Deed::SeeQueues,
        Deed::SendLibrary,
        Deed::SendValue,
        Deed::SubmitRun,
        Deed::CancelRun,
        Deed::ChangePartitions,
        Deed::TryTick,
        Deed::ChangeAutomation,
        Deed::ReloadDefinitions,
        Deed::ReviewStep,
        Deed::PinRun,
        Deed::PromoteLibrary,
        Deed::DrainWorker,
        Deed::RevokeWorker,
    ];

    /// The least role that may, what it is in sentences, and its name in the audit log.
    const fn rule(self) -> (Role, &'static str, &'static str) {
        match self {
            Deed::SeeRuns => (Role::Viewer, "see runs", "run.see"),
            Deed::SeeValues => (Role::Viewer, "see values", "value.see"),
            Deed::SeeLibraries => (Role::Viewer, "see libraries", "library.see"),
            Deed::SeeAssets => (Role::Viewer, "see assets", "asset.see"),
            Deed::SeeWorkers => (Role::Viewer, "see workers", "worker.see"),
            Deed::SeeQueues => (Role::Viewer, "see what waits", "queue.see"),
            Deed::SendLibrary => (Role::Launcher, "send libraries", "library.send"),
            Deed::SendValue => (Role::Launcher, "send values", "value.send"),
            Deed::SubmitRun => (Role::Launcher, "submit runs", "run.submit"),
            Deed::CancelRun => (Role::Launcher, "cancel runs", "run.cancel"),
            Deed::ChangePartitions => (Role::Launcher, "change partitions", "partitions.change"),
            Deed::TryTick => (Role::Launcher, "try schedules and sensors", "automation.try"),
            Deed::ChangeAutomation => (Role::Operator, "change schedules and sensors", "automation.change"),
            Deed::ReloadDefinitions => (Role::Operator, "read definitions again", "definitions.reload"),
            Deed::ReviewStep => (Role::Operator, "review steps", "step.review"),
            Deed::PinRun => (Role::Operator, "pin runs", "run.pin"),
            Deed::PromoteLibrary => (Role::Operator, "promote libraries", "library.promote"),
            Deed::DrainWorker => (Role::Operator, "drain workers", "worker.drain"),
            Deed::RevokeWorker => (Role::Admin, "revoke workers", "worker.revoke"),
        }
    }

    pub(crate) const fn role(self) -> Role {
        self.rule().0
    }

    pub(crate) const fn phrase(self) -> &'static str {
        self.rule().1
    }

    pub(crate) const fn name(self) -> &'static str {
        self.rule().2
    }

    /// What one namespace has for itself; the rest is of all namespaces together.
    pub(crate) const fn is_of_a_namespace(self) -> bool {
        !matches!(
            self,
            Deed::SeeAssets
                | Deed::SeeQueues
                | Deed::ChangePartitions
                | Deed::TryTick
                | Deed::ChangeAutomation
                | Deed::ReloadDefinitions
                | Deed::DrainWorker
                | Deed::RevokeWorker
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_in_order_and_read_as_they_are_written() {
        for pair in Role::ALL.windows(2) {
            assert!(pair[0] < pair[1]);
        }
        for role in Role::ALL {
            assert_eq!(role.name().parse(), Ok(role));
        }
        assert!("root".parse::<Role>().is_err());
    }

    #[test]
    fn the_guide_has_the_table_of_who_may_do_what() {
        let guide = include_str!("../README.md");
        for deed in Deed::ALL {
            let whose = if deed.is_of_a_namespace() { "" } else { " (of all namespaces)" };
            let row = format!("| {}{whose} | `{}` |", deed.phrase(), deed.role());
            assert!(guide.contains(&row), "README.md lacks: {row}");
        }
    }
}
