//! Publication: committed values are put where people look for them. One after another, in the order of the commits,
//! so that of two values for one place the later one stays. Nothing reads those places to run a step: one that
//! cannot be written is told in the log of this process, and harms no run.

use cofferdam_io::Stores;
use cofferdam_model::Publication;
use tokio::sync::mpsc;

/// Publishes until the other end is closed and everything is done.
pub(crate) async fn publish(stores: Stores, mut queue: mpsc::UnboundedReceiver<Publication>) {
    while let Some(publication) = queue.recv().await {
        if let Err(error) = stores.publish(&publication).await {
            let (run, step, output) = (&publication.run, &publication.step, &publication.output);
            let manager = &publication.manager_name;
            tracing::warn!(%run, %step, %output, %manager, %error, "a value is stored but could not be put where people look for it");
        }
    }
}
