//! What the tests share: resources over an environment and a folder of their own, and short ways to call them.

use std::collections::BTreeMap;
use std::time::Duration;

use cofferdam_model::{Name, PlanResource, ResourceAnswer, ResourceCall, ResourceFault, ResourceKind};
use cofferdam_resources::Resources;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

/// Longer than anything that a test waits for.
pub(crate) const LONG: Duration = Duration::from_secs(50);

pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) resources: Resources,
}

impl World {
    pub(crate) fn new(environment: &[(&str, &str)]) -> World {
        let folder = tempfile::tempdir().unwrap();
        let variables: BTreeMap<String, String> =
            environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let resources = Resources::new(folder.path(), folder.path().join("state"), move |name| {
            variables.get(name).cloned()
        });
        World { folder, resources }
    }

    pub(crate) async fn call(
        &self,
        kind: ResourceKind,
        settings: &Value,
        call: ResourceCall,
    ) -> Result<ResourceAnswer, ResourceFault> {
        let deadline = Some(Instant::now() + LONG);
        let resource = PlanResource { kind, settings: settings.clone() };
        self.resources.call(&Name::new("it").unwrap(), &resource, call, deadline).await
    }

    /// The fault of a call, as the author of an op sees it; the folder of the test is called `FOLDER`.
    pub(crate) async fn fault(&self, kind: ResourceKind, settings: &Value, call: ResourceCall) -> String {
        let fault = self.call(kind, settings, call).await.expect_err("the call must fail");
        let text = format!("{:?}: {}", fault.kind, fault.message);
        text.replace(&self.folder.path().display().to_string(), "FOLDER")
    }
}
