//! Work that reads files and starts compilers, away from the threads that drive runs.

use tokio::runtime::Handle;

pub(crate) async fn blocking<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let runtime = Handle::current();
    let done = tokio::task::spawn_blocking(move || runtime.block_on(work)).await;
    done.expect("it is neither aborted nor does it panic")
}
