//! The code locations as pages show them, and what these ask of them.

use std::sync::Arc;

use async_trait::async_trait;
use cofferdam_model::{Plan, RunId};
use cofferdam_runlog::RunLog;
use cofferdam_scheduler::{Submission, WorkerOffer, again};
use cofferdam_web::{
    Again, AssetFacts, AssetName, AssetPartition, JobName, Launch, Location, Outline, Planned, Refused,
    Scaffold, Workspace,
};
use futures::future::join_all;
use serde_json::Value;
use tokio::sync::watch;

use super::Locations;
use super::location::{CodeLocation, no_job, refused};
use crate::commands::rerun;
use crate::error::Doing;
use crate::exit::Exit;
use crate::gone;
use crate::offer;

pub(crate) struct Shown {
    pub(crate) locations: Locations,
    pub(crate) log: Arc<dyn RunLog>,
    /// Of the one worker, where it is in this process.
    pub(crate) offer: Option<WorkerOffer>,
}

impl Shown {
    fn all(&self) -> &[CodeLocation] {
        &self.locations.0.locations
    }

    /// The location of that name, or the only one.
    fn named(&self, name: Option<&str>, what: impl Fn() -> String) -> Result<&CodeLocation, Refused> {
        let mut found = self.all().iter().filter(|one| name.is_none_or(|name| *name == one.now().name));
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            (found, _) => {
                let why =
                    if found.is_some() { "name its code location" } else { "there is no such code location" };
                let all: Vec<String> = self.all().iter().map(|one| one.now().name).collect();
                let causes = vec![why.to_owned(), format!("the code locations are: {}", all.join(", "))];
                Err(Refused::Failed { message: format!("failed to find {}", what()), causes })
            }
        }
    }

    fn location_of(&self, launch: &Launch) -> Result<&CodeLocation, Refused> {
        match launch.assets.is_empty() {
            true => self.location(&launch.job_name()),
            false => self.named(launch.location.as_deref(), || launch.assets.join(", ")),
        }
    }

    /// The location that a job is of: the one that is named, or the only one that has it.
    fn location(&self, asked: &JobName) -> Result<&CodeLocation, Refused> {
        let known: Vec<(&CodeLocation, Location)> = self.all().iter().map(|one| (one, one.now())).collect();
        if let [(only, now)] = &known[..]
            && asked.location.as_ref().is_none_or(|name| *name == now.name)
        {
            return Ok(only);
        }
        let has = |now: &Location| now.jobs.iter().any(|job| job.name.as_str() == asked.job);
        let is_it = |now: &Location| match &asked.location {
            Some(name) => *name == now.name,
            None => has(now),
        };
        let found: Vec<_> = known.iter().filter(|(_, now)| is_it(now)).collect();
        let names = |of: &mut dyn Iterator<Item = &Location>| {
            of.map(|now| now.name.clone()).collect::<Vec<_>>().join(", ")
        };
        match &found[..] {
            [(one, _)] => Ok(one),
            [] => {
                let all = names(&mut known.iter().map(|(_, now)| now));
                Err(no_job(asked, format!("the code locations are: {all}")))
            }
            _ => {
                let all = names(&mut found.iter().map(|(_, now)| now));
                Err(no_job(
                    asked,
                    format!("several code locations have one of that name, name one of: {all}"),
                ))
            }
        }
    }
}

#[async_trait]
impl Workspace for Shown {
    fn locations(&self) -> Vec<Location> {
        self.all().iter().map(CodeLocation::now).collect()
    }

    async fn reload(&self) -> Vec<Location> {
        join_all(self.all().iter().map(CodeLocation::reload)).await;
        self.locations()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.locations.0.changes.of_locations.subscribe()
    }

    async fn assets(&self, location: Option<&str>) -> Result<Vec<AssetFacts>, Refused> {
        let mut found = vec![];
        for one in self.all().iter().filter(|one| location.is_none_or(|name| *name == one.now().name)) {
            match one.assets().await {
                Ok(assets) => found.extend(assets),
                // What is wrong with one location hides nothing of the others; it is told with the locations.
                Err(_) if location.is_none() && self.all().len() > 1 => {}
                Err(why) => return Err(why),
            }
        }
        Ok(found)
    }

    async fn asset_partitions(&self, asset: &AssetName) -> Result<Option<Vec<AssetPartition>>, Refused> {
        self.named(asset.location.as_deref(), || format!("asset {}", asset.key))?
            .asset_partitions(&asset.key)
            .await
    }

    async fn outline(&self, job: &JobName) -> Result<Outline, Refused> {
        self.location(job)?.outline(job).await
    }

    async fn plan(&self, launch: &Launch) -> Result<Planned, Refused> {
        self.location_of(launch)?.plan(launch).await
    }

    async fn prepare(&self, launch: &Launch) -> Result<Planned, Refused> {
        self.location_of(launch)?.prepare(launch).await
    }

    async fn again(&self, parent: RunId, what: &Again) -> Result<Submission, Refused> {
        if self.log.summary(parent).await.is_err() {
            return Err(Refused::NoRun(parent));
        }
        let chain = again::chain(&*self.log, parent).await;
        let chain = chain.doing(Exit::Unreachable, format!("read run {parent}")).map_err(refused)?;
        let selection = match what {
            Again::Steps(selection) => selection.as_slice(),
            Again::AllSteps | Again::FromFailure => &[],
        };
        let from_failure = *what == Again::FromFailure;
        let submission = rerun::decide(from_failure, selection, &chain).map_err(refused)?;
        gone::refuse(&submission).map_err(refused)?;
        Ok(submission)
    }

    async fn config_schema(&self, job: &JobName, environment: Option<&str>) -> Result<Value, Refused> {
        self.location(job)?.config_schema(job, environment).await
    }

    async fn scaffold(&self, launch: &Launch, how: Scaffold) -> Result<(String, Vec<String>), Refused> {
        self.location(&launch.job_name())?.scaffold(launch, how).await
    }

    fn signatures(&self, plan: &Plan) -> Result<Vec<String>, Refused> {
        let held = self.all().iter().map(|location| location.signatures(plan));
        let held: Vec<Vec<String>> = held.collect::<crate::error::Result<_>>().map_err(refused)?;
        Ok(held.concat())
    }

    fn unservable(&self, plan: &Plan) -> Option<String> {
        match (&self.offer, &self.locations.0.gate) {
            (Some(offer), _) => offer::refuse(plan, offer).err().map(|failed| failed.message),
            (None, gate) => gate.as_ref()?.unservable(plan),
        }
    }
}
