//! The resources of one attempt. The cell has checked name and kind where the guest cannot reach; they are looked up
//! again here, because a cell that was taken over can say anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_model::{FaultKind, LentResource, Name, ResourceAnswer, ResourceCall, ResourceFault};
use cofferdam_resources::Resources;
use tokio::time::Instant;

/// What a step lends to its op, by the op's own names.
pub(crate) struct Lent {
    resources: Arc<Resources>,
    lent: BTreeMap<Name, LentResource>,
}

impl Lent {
    pub(crate) fn new(resources: Arc<Resources>, lent: BTreeMap<Name, LentResource>) -> Lent {
        Lent { resources, lent }
    }

    /// Ends within that time. A dropped future drops the call.
    pub(crate) async fn call(
        &self,
        own: &Name,
        call: ResourceCall,
        within: Option<Duration>,
    ) -> Result<ResourceAnswer, ResourceFault> {
        let Some(lent) = self.lent.get(own) else {
            let message = format!("the step binds no resource `{own}`");
            return Err(ResourceFault { kind: FaultKind::Denied, message });
        };
        let deadline = within.and_then(|within| Instant::now().checked_add(within));
        self.resources.call(&lent.name, &lent.resource, call, deadline).await
    }
}
