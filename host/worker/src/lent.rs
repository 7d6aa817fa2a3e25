//! The resources of one attempt. The cell has checked name and kind where the guest cannot reach; they are looked up
//! again here, because a cell that was taken over can say anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_model::{
    FaultKind, LentResource, Name, ResourceAnswer, ResourceCall, ResourceFault, TRACEPARENT_TAG, TraceContext,
};
use cofferdam_resources::Resources;
use tokio::time::Instant;

/// What a step lends to its op, by the op's own names.
pub(crate) struct Lent {
    resources: Arc<Resources>,
    lent: BTreeMap<Name, LentResource>,
    /// The span of the guest, which its requests belong to.
    span: Option<TraceContext>,
}

impl Lent {
    pub(crate) fn new(
        resources: Arc<Resources>,
        lent: BTreeMap<Name, LentResource>,
        span: Option<TraceContext>,
    ) -> Lent {
        Lent { resources, lent, span }
    }

    /// Ends within that time. A dropped future drops the call.
    pub(crate) async fn call(
        &self,
        own: &Name,
        mut call: ResourceCall,
        within: Option<Duration>,
    ) -> Result<ResourceAnswer, ResourceFault> {
        let Some(lent) = self.lent.get(own) else {
            let message = format!("the step binds no resource `{own}`");
            return Err(ResourceFault { kind: FaultKind::Denied, message });
        };
        if let (Some(span), ResourceCall::Http(request)) = (self.span, &mut call) {
            let says = |(name, _): &(String, String)| name.eq_ignore_ascii_case(TRACEPARENT_TAG);
            if !request.headers.iter().any(says) {
                request.headers.push((TRACEPARENT_TAG.to_owned(), span.to_string()));
            }
        }
        let deadline = within.and_then(|within| Instant::now().checked_add(within));
        self.resources.call(&lent.name, &lent.resource, call, deadline).await
    }
}
